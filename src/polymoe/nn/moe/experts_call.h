#pragma once

#include <torch/csrc/autograd/custom_function.h>

#include "polymoe/nn/activation.h"

namespace polymoe {

/// What experts compute with, besides tensors.
struct ExpertsCall {
  Activation activation;
  double dropout;             ///< of the activations
  std::int64_t first_column;  ///< of the activations here, in their full width
  bool adds_bias;             ///< the second one

  /// Keeps it for the backward of an autograd function, and gives it back there.
  void save(torch::autograd::AutogradContext& context) const {
    context.saved_data["activation"] = static_cast<std::int64_t>(activation);
    context.saved_data["dropout"] = dropout;
    context.saved_data["first_column"] = first_column;
    context.saved_data["adds_bias"] = adds_bias;
  }
  static ExpertsCall saved(torch::autograd::AutogradContext& context) {
    return {static_cast<Activation>(context.saved_data["activation"].toInt()), context.saved_data["dropout"].toDouble(),
            context.saved_data["first_column"].toInt(), context.saved_data["adds_bias"].toBool()};
  }
};

}  // namespace polymoe
