#include "polymoe/optim/schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "polymoe/config/optimizer_options.h"

namespace polymoe {

double learning_rate_at(const OptimizerOptions& options, std::int64_t update, const TrainingShare& share) {
  const double peak = options.learning_rate;
  const auto warmup = static_cast<double>(options.warmup_updates);
  const auto now = static_cast<double>(update);
  if (now < warmup) return peak * now / warmup;
  if (options.schedule == Schedule::kConstant) return peak;
  if (options.schedule == Schedule::kInverseSqrt) return peak * std::sqrt(warmup / now);
  if (share.after_warmup >= 1.0) return peak;
  const double fallen = std::clamp((share.done - share.after_warmup) / (1.0 - share.after_warmup), 0.0, 1.0);
  const double left =
      options.schedule == Schedule::kCosine ? 0.5 * (1.0 + std::cos(std::numbers::pi * fallen)) : 1.0 - fallen;
  return options.min_learning_rate + (peak - options.min_learning_rate) * left;
}

}  // namespace polymoe
