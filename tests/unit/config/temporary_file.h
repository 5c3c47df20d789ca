#pragma once

#include <cstdlib>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>

#include <unistd.h>

#include "polymoe/base/error.h"

namespace polymoe {

/// A file with the given content, removed again at the end.
class TemporaryFile {
 public:
  explicit TemporaryFile(std::string_view content) {
    path_ = (std::filesystem::temp_directory_path() / "polymoe-config-XXXXXX").string();
    const int descriptor = mkstemp(path_.data());
    if (write(descriptor, content.data(), content.size()) != static_cast<ssize_t>(content.size())) std::abort();
    close(descriptor);
  }
  ~TemporaryFile() { std::filesystem::remove(path_); }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;

  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

/// The text of the Error that `action` throws, or "no error".
inline std::string error_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

}  // namespace polymoe
