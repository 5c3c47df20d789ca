#pragma once

#include <optional>

#include <ATen/core/Tensor.h>

#include "polymoe/nn/activation.h"

namespace polymoe {

/// x [rows, inputs] times the transpose of weight [outputs, inputs], plus bias [outputs] where it is defined; then the
/// activation, where one is given.
/// On a CPU by kernels/cpu, where nn/shared_products.h has it so: rows and their gradients then do not depend on which
/// other rows are there, nor anything on threads, bit for bit. Elsewhere LibTorch's product.
at::Tensor linear_product(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                          std::optional<Activation> activation = {});

}  // namespace polymoe
