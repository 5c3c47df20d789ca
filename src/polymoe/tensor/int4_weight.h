#pragma once

#include <cstdint>

#include <ATen/core/Tensor.h>

namespace polymoe {

/// A weight in int4, two inputs a byte: w[o, i] is about scales[o, i / 32] * (value - 8), values from 0 to 15.
struct Int4Weight {
  at::Tensor values;  ///< [outputs, inputs / 2] uint8; of two inputs, the first has the lower 4 bits
  at::Tensor scales;  ///< [outputs, (inputs + 31) / 32] bfloat16
};

/// Rounds `weight` [outputs, inputs]; throws Error for an odd number of inputs and where one is not finite. A group's
/// scale is its value of the greatest magnitude over -8, so that of the two ends of the range the longer one is used.
Int4Weight quantize_int4(const at::Tensor& weight);

/// Groups of inputs that share a scale.
std::int64_t int4_groups(std::int64_t inputs);

}  // namespace polymoe
