#pragma once

#include <cstdint>

#include "polymoe/kernels/bfloat16.h"
#include "polymoe/kernels/cuda/stream.h"

namespace polymoe::kernels::cuda {

/// sums[i] = values[i], or with `add` sums[i] += values[i], for i < count.
void collect(const BFloat16* values, float* sums, bool add, std::int64_t count, Stream stream);

}  // namespace polymoe::kernels::cuda
