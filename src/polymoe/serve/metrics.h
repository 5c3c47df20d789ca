#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

namespace polymoe {

/// What a server counts, in the text format of Prometheus. Thread-safe.
class ServerMetrics {
 public:
  void add_request(const std::string& endpoint, int status, double seconds);
  void add_batch(std::size_t lines);
  void add_reload(bool succeeded);

  /// All counts, with the lines that wait for each model.
  std::string text(const std::vector<std::string>& models, const std::vector<std::size_t>& queued) const;

 private:
  static constexpr std::array<double, 10> kSeconds = {0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 60, 120};

  mutable std::mutex mutex_;
  std::map<std::pair<std::string, int>, std::uint64_t> requests_;
  std::array<std::uint64_t, kSeconds.size() + 1> by_seconds_{};
  double seconds_ = 0;
  std::uint64_t batches_ = 0, lines_ = 0, reloads_ = 0, failed_reloads_ = 0;
};

}  // namespace polymoe
