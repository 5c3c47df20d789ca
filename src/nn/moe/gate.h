#pragma once

#include <string>

#include "config/options.h"
#include "nn/context.h"
#include "nn/placed_module.h"

namespace polymoe {

/// What the gate decided for each token.
struct GateDecision {
  at::Tensor probabilities;  ///< [tokens, experts] float32, softmax of the clean logits; differentiable
  at::Tensor expert_ids;     ///< [tokens, top_k] int64, best first
  at::Tensor values;         ///< [tokens, top_k] float32, the chosen experts' probabilities; differentiable
  at::Tensor balance_loss;   ///< scalar: E * sum_e mean(probability_e) * mean(first choice is e), arXiv 2109.10465
  at::Tensor router_z_loss;  ///< scalar: mean(logsumexp(logits)^2), Zoph et al. 2022 (ST-MoE)
};

/// The gate: a linear map without bias, in float32, and the choice of the top experts. While training, noise changes
/// the choice: jitter multiplies the gate's input by U(0.99, 1.01); Gumbel noise is added to the logits that choose.
/// The values that scale the experts' outputs never carry Gumbel noise.
class GateImpl : public PlacedModule {
 public:
  /// `place` is the full name of the gate; its random numbers depend on it.
  GateImpl(std::int64_t hidden, const MoeOptions& options, std::string place);
  /// x [tokens, hidden], any precision. `expert_ids` [tokens, top_k]: the choice, where it was made before; undefined:
  /// the gate makes it.
  GateDecision forward(const at::Tensor& x, const ForwardContext& context, const at::Tensor& expert_ids = {});

  at::Tensor weight;  ///< [experts, hidden] float32

 private:
  at::Tensor noise_like(const at::Tensor& x, const ForwardContext& context) const;
  at::Tensor choose(const at::Tensor& logits, const ForwardContext& context) const;

  MoeOptions options_;
  std::string place_;
};
TORCH_MODULE(Gate);

/// The balance loss of probabilities [tokens, experts] and first choices [tokens].
at::Tensor balance_loss(const at::Tensor& probabilities, const at::Tensor& first_choices);

}  // namespace polymoe
