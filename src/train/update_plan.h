#pragma once

#include <cstdint>
#include <vector>

#include "data/batch.h"
#include "loss/objective.h"
#include "parallel/layout.h"

namespace polymoe {

/// What all processes must know of an update before it begins.
struct UpdatePlan {
  /// Micro-batches that are computed at the same time, one on each batch rank.
  struct Round {
    std::int64_t source_tokens = 0;  ///< the most that one of them has
    std::int64_t target_tokens = 0;
  };

  Normalisation normalisation;
  std::vector<Round> rounds;
};

/// Plans an update of `num_micro_batches`, of which `mine` are this process's, in one small all-gather.
UpdatePlan plan_update(const std::vector<MicroBatch>& mine, std::int64_t num_micro_batches,
                       const ParallelLayout& layout);

}  // namespace polymoe
