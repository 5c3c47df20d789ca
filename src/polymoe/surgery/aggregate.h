#pragma once

#include <filesystem>
#include <vector>

#include "polymoe/base/progress.h"

namespace polymoe {

struct AggregateOptions {
  std::vector<std::filesystem::path> checkpoints;  ///< or run folders, see resolve_checkpoint()
  std::vector<double> weights;                     ///< of each for what they share, in any unit; empty: equal ones
  bool merge_optimizer = false;
  std::filesystem::path output;
};

/// Aggregation of Experts (arXiv 2109.10465, section 4.2): makes one model of several with the same dense part and any
/// numbers of experts. What is not an expert is averaged, the rows of gates are put one below the other, and experts
/// are united: those of checkpoint i follow those of checkpoint i - 1. Adam's moments go the same way; its number of
/// steps is the largest of them. A tensor is in memory at a time. Throws Error where the models do not match, naming
/// the first tensor that differs, and where there is no optimiser state to merge; nothing is written then.
void aggregate_experts(const AggregateOptions& options, const ProgressSink& progress = {});

}  // namespace polymoe
