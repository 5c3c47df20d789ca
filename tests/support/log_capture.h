#pragma once

#include <string>
#include <vector>

#include "polymoe/base/log.h"
#include "polymoe/base/remarks.h"

namespace polymoe::testing {

/// Keeps what is logged while it lives, beginning with nothing told yet.
class LogCapture {
 public:
  LogCapture() {
    set_strict(false);
    set_log_sink([this](LogLevel level, const std::string& message) {
      (level == LogLevel::kWarning ? warnings_ : others_).push_back(message);
    });
  }
  ~LogCapture() {
    set_log_sink({});
    set_strict(false);
  }
  LogCapture(const LogCapture&) = delete;
  LogCapture& operator=(const LogCapture&) = delete;

  const std::vector<std::string>& warnings() const { return warnings_; }
  const std::vector<std::string>& others() const { return others_; }

 private:
  std::vector<std::string> warnings_;
  std::vector<std::string> others_;
};

}  // namespace polymoe::testing
