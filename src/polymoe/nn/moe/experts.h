#pragma once

#include <string>
#include <vector>

#include <torch/nn/pimpl.h>

#include "polymoe/nn/activation.h"
#include "polymoe/nn/context.h"
#include "polymoe/nn/parameter_module.h"

namespace polymoe {

struct ExpertInputs;
struct ExpertsCall;
struct ModelOptions;
struct Partition;
struct SlotSegment;

/// The parameters of a run of experts, as ExpertsImpl has those of all.
struct ExpertWeights {
  at::Tensor up_weight, up_bias, down_weight, down_bias;
};

/// The experts of one layer that live here: feed-forward blocks whose weights are stacked, applied to slots sorted by
/// expert. One matrix product for each expert that has slots, or on a GPU one for all of them (grouped_experts.h);
/// nothing is padded. The parameters' logical tensors are stacks of all experts, [experts, ...].
class ExpertsImpl : public ParameterModule {
 public:
  /// `full_name` is the full name of the experts; their random numbers depend on it.
  ExpertsImpl(const ModelOptions& options, std::string full_name, const Partition& partition);

  /// The parameters of runs of so many experts each; they add up to the experts here.
  std::vector<ExpertWeights> split(const std::vector<std::int64_t>& runs) const;

  /// The inputs of a run and its parameters -> [slots, hidden]. The segments name the slots for activation dropout.
  /// When the experts are sliced, the result is this slice's part of a sum: whoever gave every slice the same inputs
  /// (the dispatcher) adds the parts up.
  at::Tensor forward(const ExpertInputs& inputs, const ExpertWeights& weights, const ForwardContext& context);

  at::Tensor up_weight;    ///< [experts here, ffn here, hidden]
  at::Tensor up_bias;      ///< [experts here, ffn here]
  at::Tensor down_weight;  ///< [experts here, hidden, ffn here]
  at::Tensor down_bias;    ///< [experts here, hidden], whole on every slice

 private:
  at::Tensor plan_segments(const std::vector<SlotSegment>& segments, const ForwardContext& context) const;
  at::Tensor forward_grouped(const ExpertInputs& inputs, const ExpertWeights& weights, const ExpertsCall& call,
                             const ForwardContext& context) const;

  std::string full_name_;
  Activation activation_;
  double activation_dropout_;
  std::int64_t first_column_ = 0;  // of the activations, in their full width
  bool adds_bias_ = true;
};
TORCH_MODULE(Experts);

}  // namespace polymoe
