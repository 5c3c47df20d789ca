#pragma once

#include <ATen/core/Tensor.h>

namespace polymoe {

/// A weight in int8: w[o, i] is about scales[o] * values[o, i].
struct Int8Weight {
  at::Tensor values;  ///< [outputs, inputs] int8, from -127 to 127
  at::Tensor scales;  ///< [outputs] float32
};

/// The scales of `weight` [outputs, inputs]: an output's is its greatest absolute value over 127. Throws Error where a
/// weight is not finite.
at::Tensor int8_scales(const at::Tensor& weight);

/// Rounds `weight` [outputs, inputs].
Int8Weight quantize_int8(const at::Tensor& weight);

}  // namespace polymoe
