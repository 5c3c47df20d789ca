#pragma once

#include <cstdint>

#include "config/options.h"

namespace polymoe {

/// The learning rate of update `update` (from 1), when the share `progress` in [0, 1] of the training is done. Every
/// schedule rises linearly over warmup_updates; beside that,
///   inverse-sqrt: peak * sqrt(warmup / update) (Vaswani et al. 2017);
///   cosine, linear: from peak at progress 0 down to min_learning_rate at progress 1;
///   constant: peak.
double learning_rate_at(const OptimizerOptions& options, std::int64_t update, double progress);

}  // namespace polymoe
