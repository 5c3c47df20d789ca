#pragma once

#include <ATen/core/Tensor.h>

#include "polymoe/kernels/activation.h"

namespace polymoe {

at::Tensor activate(const at::Tensor& x, Activation activation);

/// The gradient at the input, given the gradient at the output. `x` is the input; for ReLU the output will do as well.
at::Tensor activate_backward(const at::Tensor& grad, const at::Tensor& x, Activation activation);

}  // namespace polymoe
