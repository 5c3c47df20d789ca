#pragma once

#include <string>

#include "config/options.h"
#include "nn/activation.h"
#include "nn/context.h"
#include "nn/linear.h"
#include "nn/moe/routing.h"

namespace polymoe {

/// The experts of one layer: feed-forward blocks whose weights are stacked, applied to slots sorted by expert. One
/// matrix product for each expert that has tokens; nothing is padded.
class ExpertsImpl : public torch::nn::Module {
 public:
  /// `place` is the full name of the experts; their random numbers depend on it.
  ExpertsImpl(const ModelOptions& options, std::string place);

  /// x [slots, hidden], slots of expert e at [expert_begin[e], expert_begin[e + 1]) -> [slots, hidden].
  /// `slot_assignment` [slots] names the rows for activation dropout, so that it does not depend on the order of slots.
  at::Tensor forward(const at::Tensor& x, const at::Tensor& expert_begin, const at::Tensor& slot_assignment,
                     const ForwardContext& context);

  at::Tensor up_weight;    ///< [experts, ffn, hidden]
  at::Tensor up_bias;      ///< [experts, ffn]
  at::Tensor down_weight;  ///< [experts, hidden, ffn]
  at::Tensor down_bias;    ///< [experts, hidden]

 private:
  std::string place_;
  Activation activation_;
  double activation_dropout_;
};
TORCH_MODULE(Experts);

}  // namespace polymoe
