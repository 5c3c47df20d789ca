#pragma once

#include <memory>
#include <string>

#include "nn/moe/experts.h"
#include "nn/moe/gate.h"
#include "nn/partition.h"

namespace polymoe {

/// The Mixture-of-Experts layer: gate, dispatch, experts, combine. x [tokens, hidden] -> [tokens, hidden]. Tokens over
/// the capacity of their experts get zeros; the residual connection around the layer carries them on.
/// Its losses are appended to the context.
class MoeLayerImpl : public torch::nn::Module {
 public:
  /// `place` is the full name of the layer.
  MoeLayerImpl(const ModelOptions& options, std::string place, const Partition& partition);
  at::Tensor forward(const at::Tensor& x, ForwardContext& context);

 private:
  at::Tensor combine_weights(const GateDecision& decision, const Routing& routing) const;

  MoeOptions options_;
  std::string place_;
  std::shared_ptr<Dispatcher> dispatcher_;
  Gate gate_{nullptr};
  Experts experts_{nullptr};
};
TORCH_MODULE(MoeLayer);

}  // namespace polymoe
