#include "optim/schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace polymoe {

double learning_rate_at(const OptimizerOptions& options, std::int64_t update, double progress) {
  const double peak = options.learning_rate;
  const auto warmup = static_cast<double>(options.warmup_updates);
  const auto now = static_cast<double>(update);
  const double rise = now < warmup ? now / warmup : 1.0;
  if (options.schedule == "constant") return peak * rise;
  if (options.schedule == "inverse-sqrt") return now < warmup ? peak * rise : peak * std::sqrt(warmup / now);
  const double done = std::clamp(progress, 0.0, 1.0);
  const double share = options.schedule == "cosine" ? 0.5 * (1.0 + std::cos(std::numbers::pi * done)) : 1.0 - done;
  return rise * (options.min_learning_rate + (peak - options.min_learning_rate) * share);
}

}  // namespace polymoe
