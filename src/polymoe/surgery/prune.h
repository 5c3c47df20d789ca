#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "polymoe/base/progress.h"
#include "polymoe/config/moe_layers.h"
#include "polymoe/surgery/keep.h"
#include "polymoe/surgery/result.h"
#include "polymoe/surgery/usage.h"

namespace polymoe {

enum class PruneBy { kUse, kRandom, kLists };

struct PruneOptions {
  std::filesystem::path checkpoint;  ///< or a run folder, see resolve_checkpoint()
  PruneBy by = PruneBy::kUse;
  std::filesystem::path usage;                      ///< kUse: see GateStatistics::read()
  std::vector<std::string> directions;              ///< kUse: see GateStatistics::score(); empty: all
  ExpertMetric metric = ExpertMetric::kUse;         ///< kUse
  UsageHeading heading = UsageHeading::kDirection;  ///< kUse
  std::uint64_t seed = 1;                           ///< kRandom
  std::vector<std::string> lists;                   ///< kLists: see parse_lists()
  /// Experts of each MoE layer: one number for all, two for the encoder's and the decoder's, or one for each.
  std::vector<std::int64_t> keep;
  /// Instead: experts of all layers together, or of the encoder's and of the decoder's.
  std::vector<std::int64_t> keep_total;
  BudgetSpread spread = BudgetSpread::kHighest;  ///< of keep_total
  std::filesystem::path output;
};

struct PruneReport {
  std::vector<MoeLayerSize> layers;  ///< before
  KeptExperts kept;
  ModelSize before, after;
  double speed_one = 1.0;   ///< predicted speed as a multiple of that before, one sentence at a time
  double speed_many = 1.0;  ///< 64 at a time
};

/// Writes a checkpoint with some of the experts of another: the rows of gates are those of the experts that stay, which
/// are numbered anew in their order; `meta.origin.experts` has their old numbers. Optimiser state is left out. A tensor
/// is in memory at a time. Throws Error for a model without experts and for options that do not fit it; nothing is
/// written then.
PruneReport prune(const PruneOptions& options, const ProgressSink& progress = {});

}  // namespace polymoe
