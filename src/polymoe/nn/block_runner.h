#pragma once

#include <functional>
#include <string>

#include <ATen/core/Tensor.h>

#include "polymoe/nn/context.h"

namespace polymoe {

/// Runs the blocks of a model. What surrounds a block (gathering its parameters, computing its activations anew in
/// backward) comes from outside the model, as another runner.
class BlockRunner {
 public:
  /// x [tokens, hidden] and, in the decoder, memory [source tokens, hidden] -> [tokens, hidden].
  using Block = std::function<at::Tensor(const at::Tensor& x, const at::Tensor& memory, const ForwardContext& context)>;

  virtual ~BlockRunner() = default;

  /// One pass of training or validation through the block named `full_name`. `memory` may be undefined.
  virtual at::Tensor run(const std::string& full_name, const at::Tensor& x, const at::Tensor& memory,
                         const ForwardContext& context, const Block& block) {
    return block(x, memory, context);
  }

  /// Anything else that needs the block's parameters, without gradients: a step of decoding.
  virtual void use(const std::string& full_name, const std::function<void()>& work) { work(); }
};

}  // namespace polymoe
