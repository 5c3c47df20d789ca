#pragma once

#include <cstdint>

#include <ATen/core/Tensor.h>

#include "polymoe/base/random.h"

namespace polymoe {

/// Where a tensor's elements stand in the mask: a part of a larger matrix gets the part of that matrix's mask.
struct MaskPlace {
  std::int64_t first_row = 0;
  std::int64_t first_column = 0;
  at::Tensor row_ids = {};  ///< [rows] int64 (CPU): names the rows when they are not first_row, first_row + 1, ...
};

/// Dropout with a counter-based mask (kernels/cpu/dropout.h): keeps an element with probability 1 - p and divides it by
/// 1 - p. `x` is [rows, width], float32, bfloat16 or float16. With p = 0 it returns `x`.
at::Tensor counter_dropout(const at::Tensor& x, double p, PhiloxKey key, const MaskPlace& place = {});

/// x + counter_dropout(y), both [rows, width] of one type, in fewer passes over memory.
at::Tensor add_dropout(const at::Tensor& x, const at::Tensor& y, double p, PhiloxKey key);

/// counter_dropout() without autograd: applies the mask to `x` in place.
void counter_dropout_(at::Tensor& x, double p, PhiloxKey key, const MaskPlace& place = {});

}  // namespace polymoe
