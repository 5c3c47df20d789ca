#pragma once

#include <string>
#include <vector>

#include "config/options.h"
#include "nn/activation.h"
#include "nn/context.h"
#include "nn/partition.h"
#include "nn/placed_module.h"

namespace polymoe {

/// The experts of one layer that live here: feed-forward blocks whose weights are stacked, applied to slots sorted by
/// expert. One matrix product for each expert that has slots; nothing is padded. The parameters' logical tensors are
/// stacks of all experts, [experts, ...].
class ExpertsImpl : public PlacedModule {
 public:
  /// `place` is the full name of the experts; their random numbers depend on it.
  ExpertsImpl(const ModelOptions& options, std::string place, const Partition& partition);

  /// x [slots, hidden], slots of expert e at [expert_begin[e], expert_begin[e + 1]) -> [slots, hidden]. `segments` name
  /// the slots for activation dropout. When the experts are sliced, the result is this slice's part of a sum: whoever
  /// gave every slice the same x (the dispatcher) adds the parts up.
  at::Tensor forward(const at::Tensor& x, const at::Tensor& expert_begin, const std::vector<SlotSegment>& segments,
                     const ForwardContext& context);

  at::Tensor up_weight;    ///< [experts here, ffn here, hidden]
  at::Tensor up_bias;      ///< [experts here, ffn here]
  at::Tensor down_weight;  ///< [experts here, hidden, ffn here]
  at::Tensor down_bias;    ///< [experts here, hidden], whole on every slice

 private:
  // [segments, 5], see kPlanColumns.
  at::Tensor plan_segments(const std::vector<SlotSegment>& segments, const ForwardContext& context) const;

  std::string place_;
  Activation activation_;
  double activation_dropout_;
  std::int64_t first_column_ = 0;  // of the activations, in their full width
  bool adds_bias_ = true;
};
TORCH_MODULE(Experts);

}  // namespace polymoe
