#pragma once

#include <ATen/core/Tensor.h>

#include "base/random.h"

namespace polymoe {

/// Dropout with a counter-based mask (kernels/cpu/dropout.h): keeps an element with probability 1 - p and divides it by
/// 1 - p. `x` is [rows, width], float32 or bfloat16. `row_ids` [rows] int64 (CPU) names the rows when they are not
/// 0, 1, 2, ... With p = 0 it returns `x`.
at::Tensor counter_dropout(const at::Tensor& x, double p, PhiloxKey key, const at::Tensor& row_ids = {});

/// The same without autograd: applies the mask to `x` in place.
void counter_dropout_(at::Tensor& x, double p, PhiloxKey key, const at::Tensor& row_ids = {});

}  // namespace polymoe
