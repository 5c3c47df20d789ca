#pragma once

#include <cstdint>

#include "polymoe/kernels/bfloat16.h"
#include "polymoe/kernels/cuda/work.h"

namespace polymoe::kernels::cuda {

/// The elements [first, first + kCount).
template <int kCount>
POLYMOE_HOST_DEVICE void collect_elements(const BFloat16* values, float* sums, bool add, std::int64_t first) {
  using Sums = Pack<float, kCount>;
  const auto in = *reinterpret_cast<const Pack<BFloat16, kCount>*>(values + first);
  Sums out = add ? *reinterpret_cast<const Sums*>(sums + first) : Sums{};
  for (int i = 0; i < kCount; ++i) out.values[i] += to_float(in.values[i]);
  *reinterpret_cast<Sums*>(sums + first) = out;
}

}  // namespace polymoe::kernels::cuda
