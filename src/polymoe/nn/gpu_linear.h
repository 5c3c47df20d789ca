#pragma once

#include <optional>

#include <ATen/core/Tensor.h>

#include "polymoe/nn/activation.h"

namespace polymoe {

/// Whether gpu_linear() takes `x` [rows, inputs]: it lies on a GPU that has kernels, and has gradients.
bool has_gpu_linear(const at::Tensor& x);

/// linear_product() and, where one is given, an activation. ReLU is part of the product, and its backward part of the
/// pass that sums the bias's gradient.
at::Tensor gpu_linear(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                      std::optional<Activation> activation);

}  // namespace polymoe
