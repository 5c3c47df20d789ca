#pragma once

#include <ATen/core/Tensor.h>

#include "polymoe/nn/projection.h"

namespace polymoe {

/// What projected_cross_entropy() finds in its forward pass.
struct ProjectedLosses {
  at::Tensor token_nll, token_loss;                ///< [tokens] float32
  at::Tensor grad_states, grad_weight, grad_bias;  ///< of sum(token_loss) / normaliser; undefined where not wanted
};

/// Whether the states are on a CPU, in float32 or in bfloat16 of an even width, as cpu_cross_entropy() wants them.
bool has_cpu_cross_entropy(const at::Tensor& states);

/// projected_cross_entropy() by kernels/cpu/cross_entropy.h. A token's losses and gradient do not depend on which other
/// tokens are there, nor on threads, bit for bit.
ProjectedLosses cpu_cross_entropy(const at::Tensor& states, const at::Tensor& weight, const at::Tensor& bias,
                                  const at::Tensor& labels, const Projection& projection, double smoothing,
                                  double normaliser, bool want_gradient);

}  // namespace polymoe
