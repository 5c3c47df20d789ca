#include "polymoe/serve/metrics.h"

#include <algorithm>

#include <fmt/core.h>

namespace polymoe {
namespace {

std::string metric(const char* name, const char* type, const char* help) {
  return fmt::format("# HELP {} {}\n# TYPE {} {}\n", name, help, name, type);
}

/// A label's value, with what ends it escaped.
std::string label(const std::string& value) {
  std::string escaped;
  for (const char c : value) {
    if (c == '"' || c == '\\') escaped += '\\';
    escaped += c == '\n' ? ' ' : c;
  }
  return escaped;
}

}  // namespace

void ServerMetrics::add_request(const std::string& endpoint, int status, double seconds) {
  const std::lock_guard lock(mutex_);
  ++requests_[{endpoint, status}];
  ++by_seconds_.at(
      static_cast<std::size_t>(std::lower_bound(kSeconds.begin(), kSeconds.end(), seconds) - kSeconds.begin()));
  seconds_ += seconds;
}

void ServerMetrics::add_batch(std::size_t lines) {
  const std::lock_guard lock(mutex_);
  ++batches_;
  lines_ += lines;
}

void ServerMetrics::add_reload(bool succeeded) {
  const std::lock_guard lock(mutex_);
  ++(succeeded ? reloads_ : failed_reloads_);
}

std::string ServerMetrics::text(const std::vector<std::string>& models, const std::vector<std::size_t>& queued) const {
  const std::lock_guard lock(mutex_);
  std::string text = metric("polymoe_requests_total", "counter", "Requests answered, by endpoint and HTTP status");
  for (const auto& [key, count] : requests_) {
    text += fmt::format("polymoe_requests_total{{endpoint=\"{}\",status=\"{}\"}} {}\n", label(key.first), key.second,
                        count);
  }
  text += metric("polymoe_request_seconds", "histogram", "Time from a request's headers to its answer");
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < by_seconds_.size(); ++i) {
    sum += by_seconds_.at(i);
    const std::string bound = i < kSeconds.size() ? fmt::format("{}", kSeconds.at(i)) : "+Inf";
    text += fmt::format("polymoe_request_seconds_bucket{{le=\"{}\"}} {}\n", bound, sum);
  }
  text += fmt::format("polymoe_request_seconds_sum {}\npolymoe_request_seconds_count {}\n", seconds_, sum);
  text += metric("polymoe_batches_total", "counter", "Batches translated");
  text += fmt::format("polymoe_batches_total {}\n", batches_);
  text += metric("polymoe_lines_total", "counter", "Lines translated");
  text += fmt::format("polymoe_lines_total {}\n", lines_);
  text += metric("polymoe_queued_lines", "gauge", "Lines that wait for a model");
  for (std::size_t i = 0; i < models.size(); ++i) {
    text += fmt::format("polymoe_queued_lines{{model=\"{}\"}} {}\n", label(models[i]), queued.at(i));
  }
  text += metric("polymoe_reloads_total", "counter", "Reloads of the models, by whether they succeeded");
  text += fmt::format("polymoe_reloads_total{{result=\"ok\"}} {}\npolymoe_reloads_total{{result=\"failed\"}} {}\n",
                      reloads_, failed_reloads_);
  return text;
}

}  // namespace polymoe
