#pragma once

#include <cstdint>
#include <vector>

#include "polymoe/loss/cross_entropy.h"
#include "polymoe/nn/context.h"

namespace polymoe {

struct MoeOptions;

/// What one update is divided by. Every gradient, of dense and of expert parameters alike, is a mean over the target
/// tokens of the whole update; this is the one place where that division is set up.
struct Normalisation {
  std::int64_t target_tokens = 0;  ///< of all micro-batches of the update
  std::int64_t micro_batches = 0;
  double loss_scale = 1.0;  ///< all of the objective is multiplied by it (LossScale)

  /// What projected_cross_entropy() divides by.
  double token_divisor() const { return static_cast<double>(target_tokens) / loss_scale; }
};

/// One micro-batch's share of the update's objective.
struct Objective {
  at::Tensor value;            ///< scalar to call backward() on; the shares of an update add up to its objective
  CrossEntropy cross_entropy;  ///< its loss is divided by target_tokens
  std::vector<at::Tensor> balance_losses;  ///< of each MoE layer, not weighted, without autograd
  std::vector<at::Tensor> router_z_losses;
};

/// objective = cross entropy / target_tokens + sum over MoE layers of (balance weight * balance loss + z weight * z
/// loss) / micro_batches. The MoE losses are means over a micro-batch's tokens, hence the other divisor.
Objective make_objective(CrossEntropy cross_entropy, const ForwardOutputs& outputs, const MoeOptions& options,
                         const Normalisation& normalisation);

}  // namespace polymoe
