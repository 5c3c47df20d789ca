#pragma once

#include <string>

#include "polymoe/nn/activation.h"
#include "polymoe/nn/context.h"
#include "polymoe/nn/linear.h"

namespace polymoe {

struct ModelOptions;

/// The dense feed-forward block: down(dropout(activation(up(x)))), x [tokens, hidden]. Its width is divided over the
/// slices.
class FeedForwardImpl : public torch::nn::Module {
 public:
  /// `full_name` is the full name of the block; its random numbers depend on it.
  FeedForwardImpl(const ModelOptions& options, std::string full_name, const std::shared_ptr<ModelAxis>& axis);
  at::Tensor forward(const at::Tensor& x, const ForwardContext& context);

 private:
  std::string full_name_;
  Activation activation_;
  double activation_dropout_;
  std::int64_t first_column_;  // of the activations, in their full width
  ColumnLinear up_{nullptr};
  RowLinear down_{nullptr};
};
TORCH_MODULE(FeedForward);

}  // namespace polymoe
