#pragma once

#include <memory>
#include <string>

#include "polymoe/config/moe_options.h"
#include "polymoe/nn/feed_forward.h"
#include "polymoe/nn/moe/experts.h"

namespace polymoe {

class Dispatcher;
class Router;
struct ModelOptions;
struct Partition;
struct RouterOutput;

/// The Mixture-of-Experts layer: router, dispatch, experts, combine. x [tokens, hidden] -> [tokens, hidden]. Tokens
/// over the capacity of their experts get zeros; the residual connection around the layer carries them on. Shared
/// experts (Rajbhandari et al. 2022, DeepSpeed-MoE's residual expert; Dai et al. 2024, DeepSeekMoE) add their output
/// for every token: n of them are one dense block of n times the width. While training, expert-output masking (NLLB
/// Team 2022, section 6.2.2) takes the routed experts' output from a random part of the tokens, and scales it up for
/// the others; models that were trained without that scaling up have an output scale of 1 minus the masked part. Its
/// losses go to ForwardContext::outputs.
class MoeLayerImpl : public torch::nn::Module {
 public:
  /// `full_name` is the full name of the layer.
  MoeLayerImpl(const ModelOptions& options, std::string full_name, const Partition& partition);
  at::Tensor forward(const at::Tensor& x, const ForwardContext& context);

 private:
  at::Tensor combine_weights(const RouterOutput& routed, const ForwardContext& context) const;

  MoeOptions options_;
  std::string full_name_;
  std::shared_ptr<Dispatcher> dispatcher_;
  std::shared_ptr<Router> router_;
  Experts experts_{nullptr};
  FeedForward shared_{nullptr};  // none without shared experts
};
TORCH_MODULE(MoeLayer);

}  // namespace polymoe
