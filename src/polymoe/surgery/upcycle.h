#pragma once

#include <cstdint>
#include <filesystem>

#include "polymoe/base/progress.h"
#include "polymoe/config/moe_options.h"

namespace polymoe {

struct UpcycleOptions {
  std::filesystem::path checkpoint;  ///< of a dense model, or its run folder
  std::int64_t experts = 0;
  std::int64_t every = 2;  ///< every n-th layer of a side becomes a MoE layer
  MoeSide side = MoeSide::kBoth;
  std::int64_t top_k = 1;
  double noise = 0.0;      ///< each weight of an expert is multiplied by a number of U(1 - noise, 1 + noise)
  std::uint64_t seed = 1;  ///< of the noise and of the gates
  std::filesystem::path output;
};

/// Sparse upcycling (Komatsuzaki et al. 2022): makes a MoE model of a dense one. The experts of a layer are copies of
/// its feed-forward block, gates are those of a new model, all else stays. Optimiser state is left out.
///
/// A new gate gives each of n experts a probability of about 1/n, and with top-1 that scales the output. So that the
/// model starts near where the dense one ended, the second matrix and bias of each expert are multiplied by
/// upcycling_scale(). A tensor is in memory at a time. Throws Error for a model that has experts already, and where no
/// layer would become a MoE layer; nothing is written then.
void upcycle(const UpcycleOptions& options, const ProgressSink& progress = {});

/// n for top-1; 1 for top-2, whose two values are divided by their sum; n / 2 for top-2 without that
/// (model.moe.normalize-gates).
double upcycling_scale(std::int64_t experts, std::int64_t top_k, bool normalize_gates);

}  // namespace polymoe
