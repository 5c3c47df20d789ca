#pragma once

#include <bit>
#include <cmath>
#include <cstdint>

#include "polymoe/kernels/activation.h"

/// Functions that compilers turn into vector code when they are called in loops. To float32's rounding or near it.
namespace polymoe::kernels {

/// e^x: 2^n times a polynomial of the rest, after Cody and Waite. Relative error below 2e-7; 0 below -87, and what
/// e^88 is above 88.
inline __attribute__((always_inline)) float vector_exp(float x) {
  const float bounded = x < -87.0f ? -87.0f : x > 88.0f ? 88.0f : x;
  constexpr float kRounder = 12582912.0f;  // 1.5 * 2^23: adding it rounds to whole numbers
  const float shifted = bounded * 1.44269504f + kRounder;
  const float n = shifted - kRounder;
  const float rest = (bounded - n * 0.693359375f) + n * 2.12194440e-4f;
  // The series of e^x, its last coefficients bent to fit [-ln 2 / 2, ln 2 / 2] best.
  float p = 1.9875691e-4f;
  p = p * rest + 1.3981999e-3f;
  p = p * rest + 8.3334519e-3f;
  p = p * rest + 4.1665796e-2f;
  p = p * rest + 1.6666665e-1f;
  p = p * rest + 5.0000001e-1f;
  p = p * rest * rest + rest + 1.0f;
  // From the bits: NaN is no whole number, and stays what it is.
  const std::uint32_t exponent =
      shifted == shifted ? std::bit_cast<std::uint32_t>(shifted) - std::bit_cast<std::uint32_t>(kRounder) : 0;
  const float scaled = std::bit_cast<float>(std::bit_cast<std::uint32_t>(p) + (exponent << 23));
  return x < -87.0f ? 0.0f : scaled;
}

/// The error function, Abramowitz and Stegun (1964), 7.1.26: absolute error below 2e-7.
inline __attribute__((always_inline)) float vector_erf(float x) {
  const float magnitude = x < 0 ? -x : x;
  const float t = 1.0f / (1.0f + 0.3275911f * magnitude);
  float p = 1.061405429f;
  p = p * t - 1.453152027f;
  p = p * t + 1.421413741f;
  p = p * t - 0.284496736f;
  p = p * t + 0.254829592f;
  const float y = 1.0f - p * t * vector_exp(-magnitude * magnitude);
  return x < 0 ? -y : y;
}

/// kernels::activate() over `count` values, in place.
inline __attribute__((always_inline)) void vector_activate(float* x, std::int64_t count, Activation activation) {
  switch (activation) {
    case Activation::kRelu:
      for (std::int64_t i = 0; i < count; ++i) x[i] = x[i] < 0.0f ? 0.0f : x[i];
      return;
    case Activation::kGelu:
      for (std::int64_t i = 0; i < count; ++i) x[i] = 0.5f * x[i] * (1.0f + vector_erf(x[i] * 0.70710678f));
      return;
    case Activation::kSwish:
      for (std::int64_t i = 0; i < count; ++i) x[i] = x[i] / (1.0f + vector_exp(-x[i]));
      return;
  }
}

}  // namespace polymoe::kernels
