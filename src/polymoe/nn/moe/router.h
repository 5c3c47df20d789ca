#pragma once

#include <memory>
#include <string>

#include "polymoe/config/moe_options.h"
#include "polymoe/nn/context.h"
#include "polymoe/nn/moe/routing.h"
#include "polymoe/nn/parameter_module.h"

namespace polymoe {

/// What a router decided for a micro-batch.
struct RouterOutput {
  Routing routing;           ///< the list of assignments, and which of them the experts' capacity leaves
  at::Tensor weights;        ///< float32, of the list's shape: what scales the experts' outputs; differentiable
  at::Tensor probabilities;  ///< [tokens, experts] float32: how each token is inclined; every row sums to 1
  at::Tensor balance_loss;   ///< scalar; 1 where the load is even. Without autograd where the router has no such loss
  at::Tensor router_z_loss;  ///< scalar: mean(logsumexp(logits)^2), Zoph et al. 2022 (ST-MoE)
  at::Tensor load;  ///< [experts] int64: choices before dropping; undefined where Router::follows_load() is false
};

/// How a pass is to be routed.
struct RoutingRequest {
  /// The routing of the same pass before, where it is computed anew: then nothing is chosen again. Else null.
  const Routing* kept = nullptr;
  bool stay_on_gpu = false;  ///< see make_routing()
};

/// Decides which tokens of a micro-batch go to which experts: scores, choice, capacity, weights and losses. What comes
/// after it (dispatch, experts, combine) knows only the list of assignments that it yields. To add one: a file with a
/// class like TokenChoiceRouter, its options, and a line in make_router().
///
/// All score the experts by a linear map without bias, in float32. While training, noise changes the choice: jitter
/// multiplies the map's input by U(0.99, 1.01); Gumbel noise is added to what chooses.
class Router : public ParameterModule {
 public:
  /// `full_name` is the full name of the layer; random numbers depend on it.
  Router(std::int64_t hidden, const MoeOptions& options, std::string full_name);

  /// x [tokens, hidden], any precision.
  virtual RouterOutput forward(const at::Tensor& x, const ForwardContext& context,
                               const RoutingRequest& request = {}) = 0;

  /// Whether the router has state that follows the load of whole updates: buffers of the module, part of checkpoints.
  virtual bool follows_load() const { return false; }
  /// After an update: `load` [experts] int64 on the CPU, the sum of RouterOutput::load over all its micro-batches.
  virtual void follow(const at::Tensor& load) {}

  at::Tensor weight;  ///< [experts, hidden] float32

 protected:
  const MoeOptions& options() const { return options_; }
  /// The scores of x [tokens, hidden] -> [tokens, experts] float32; with jitter where asked for.
  at::Tensor logits_of(const at::Tensor& x, const ForwardContext& context) const;
  /// `ranking`, by which experts are chosen, with Gumbel noise where asked for.
  at::Tensor with_gumbel_noise(const at::Tensor& ranking, const ForwardContext& context) const;
  /// Uniform random numbers in [0, 1) for this pass, float32 of these sizes on x's device. `name` tells them apart.
  at::Tensor uniform(const std::string& name, at::IntArrayRef sizes, const at::Tensor& x,
                     const ForwardContext& context) const;
  /// Where every token of `expert_ids` [tokens, top_k] is to go: what the layer's capacity leaves of that.
  Routing plan(const at::Tensor& expert_ids, const ForwardContext& context, const RoutingRequest& request) const;

 private:
  MoeOptions options_;
  std::string full_name_;
};

/// E * sum_e mean(probability_e) * share_e, arXiv 2109.10465, of probabilities [tokens, experts] and the experts'
/// shares of the load [experts].
at::Tensor balance_loss(const at::Tensor& probabilities, const at::Tensor& shares);

/// `ranking` with Gumbel noise made of `uniform` [tokens, experts] numbers: the greatest is drawn by its softmax.
at::Tensor add_gumbel(const at::Tensor& ranking, const at::Tensor& uniform);

/// How often each expert is in `expert_ids`, without those that are -1: -> [experts] of element type `type`.
at::Tensor count_experts(const at::Tensor& expert_ids, std::int64_t experts, at::ScalarType type);

/// The router that the options of a layer ask for.
std::shared_ptr<Router> make_router(std::int64_t hidden, const MoeOptions& options, const std::string& full_name);

}  // namespace polymoe
