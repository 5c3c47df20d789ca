#pragma once

#include <cstdint>

#include "polymoe/kernels/bfloat16.h"
#include "polymoe/kernels/cuda/work.h"
#include "polymoe/kernels/token_ranges.h"

namespace polymoe::kernels::cuda {

/// The elements [first, first + kCount) of the token's sum; `input` and `output` are whole matrices.
template <typename T, int kCount>
POLYMOE_HOST_DEVICE void combine_elements(const T* input, const float* weights, const std::int64_t* slot_of, T* output,
                                          std::int64_t width, const TokenRanges& tokens, std::int64_t token,
                                          std::int64_t first) {
  using Elements = Pack<T, kCount>;
  float sums[kCount] = {};
  const std::int64_t last = tokens.first(token + 1);
  for (std::int64_t a = tokens.first(token); a < last; ++a) {
    const std::int64_t slot = slot_of[a];
    if (slot < 0) continue;
    const float weight = weights != nullptr ? weights[a] : 1.0f;
    const Elements in = *reinterpret_cast<const Elements*>(input + slot * width + first);
    for (int i = 0; i < kCount; ++i) sums[i] += weight * to_float(in.values[i]);
  }
  Elements out;
  for (int i = 0; i < kCount; ++i) from_float(sums[i], out.values[i]);
  *reinterpret_cast<Elements*>(output + token * width + first) = out;
}

/// A lane's part of one assignment's gradients: writes weight * grad to `grad_slot` and returns its part of the inner
/// product of `grad` and `row`, all [width].
template <typename T, int kCount>
POLYMOE_HOST_DEVICE float combine_gradient_lane(const T* grad, const T* row, float weight, T* grad_slot,
                                                std::int64_t width, int lane) {
  using Elements = Pack<T, kCount>;
  float product = 0.0f;
  for (std::int64_t first = std::int64_t{lane} * kCount; first < width; first += std::int64_t{kWarp} * kCount) {
    const Elements g = *reinterpret_cast<const Elements*>(grad + first);
    const Elements x = *reinterpret_cast<const Elements*>(row + first);
    Elements out;
    for (int i = 0; i < kCount; ++i) {
      product += to_float(g.values[i]) * to_float(x.values[i]);
      from_float(weight * to_float(g.values[i]), out.values[i]);
    }
    *reinterpret_cast<Elements*>(grad_slot + first) = out;
  }
  return product;
}

}  // namespace polymoe::kernels::cuda
