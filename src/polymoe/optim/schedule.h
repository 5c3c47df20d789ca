#pragma once

#include <cstdint>

namespace polymoe {

struct OptimizerOptions;

/// How much of a training is done, as shares in [0, 1].
struct TrainingShare {
  double done = 0.0;          ///< with the update that the rate is for
  double after_warmup = 0.0;  ///< that was done when the warm-up ended
};

/// The learning rate of update `update` (from 1). Every schedule rises linearly over warmup_updates to the peak; from
/// there
///   inverse-sqrt: peak * sqrt(warmup / update) (Vaswani et al. 2017);
///   cosine, linear: down to min_learning_rate at the end of the training;
///   constant: peak.
double learning_rate_at(const OptimizerOptions& options, std::int64_t update, const TrainingShare& share);

}  // namespace polymoe
