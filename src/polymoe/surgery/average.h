#pragma once

#include <filesystem>
#include <vector>

#include "polymoe/base/progress.h"

namespace polymoe {

struct AverageOptions {
  std::vector<std::filesystem::path> checkpoints;  ///< or run folders, see resolve_checkpoint()
  std::vector<double> weights;                     ///< of each, in any unit; empty: equal ones
  std::filesystem::path output;
};

/// Writes a checkpoint whose weights are the mean of those of others of the same model (of one run, as a rule: models
/// that were trained apart have no mean worth having). Optimiser state is left out. A tensor is in memory at a time.
/// Throws Error where the models, by their options, tensors or vocabularies, are not the same, naming the first tensor
/// that differs; nothing is written then.
void average_checkpoints(const AverageOptions& options, const ProgressSink& progress = {});

}  // namespace polymoe
