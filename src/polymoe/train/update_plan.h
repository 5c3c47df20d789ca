#pragma once

#include <cstdint>
#include <vector>

#include "polymoe/data/batch.h"
#include "polymoe/loss/objective.h"
#include "polymoe/nn/context.h"
#include "polymoe/parallel/layout.h"

namespace polymoe {

/// What all processes must know of an update before it begins.
struct UpdatePlan {
  Normalisation normalisation;
  /// Of micro-batches that are computed at the same time, one on each batch rank, the most tokens that one has.
  std::vector<ExchangeBounds> rounds;
};

/// Plans an update of `num_micro_batches`, of which `mine` are this process's, in one small all-gather.
UpdatePlan plan_update(const std::vector<MicroBatch>& mine, std::int64_t num_micro_batches,
                       const ParallelLayout& layout);

}  // namespace polymoe
