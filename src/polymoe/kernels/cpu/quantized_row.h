#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "polymoe/kernels/cpu/lanes.h"

/// Rounding the inputs of products with 8-bit and 4-bit weights.
namespace polymoe::kernels {

template <int kLanes>
POLYMOE_INLINE float greatest_magnitude(const float* x, std::int64_t width) {
  using L = Lanes<kLanes>;
  typename L::Floats greatest = {}, values;
  std::int64_t i = 0;
  for (; i + kLanes <= width; i += kLanes) {
    L::load(x + i, values);
    values = values < 0.0f ? -values : values;
    greatest = values > greatest ? values : greatest;
  }
  float result = 0.0f;
  for (; i < width; ++i) result = std::max(result, std::fabs(x[i]));
  for (int l = 0; l < kLanes; ++l) result = std::max(result, greatest[l]);
  return result;
}

/// Rounds x [inputs] to 255 steps between minus and plus its greatest absolute value; `zero` is the value that stands
/// for 0. Returns the size of a step.
template <int kLanes, typename T>
POLYMOE_INLINE float quantize_row(const float* x, std::int64_t inputs, std::int32_t zero, T* values) {
  const float greatest = greatest_magnitude<kLanes>(x, inputs);
  const float factor = greatest > 0.0f ? 127.0f / greatest : 0.0f;
  constexpr float kRounder = 12582912.0f;  // 1.5 * 2^23: adding it rounds to whole numbers
  for (std::int64_t i = 0; i < inputs; ++i) {
    float step = x[i] * factor;
    step = step > -127.0f ? step : -127.0f;  // what is not a number too
    step = step < 127.0f ? step : 127.0f;
    values[i] = static_cast<T>(static_cast<std::int32_t>((step + kRounder) - kRounder) + zero);
  }
  return greatest / 127.0f;
}

}  // namespace polymoe::kernels
