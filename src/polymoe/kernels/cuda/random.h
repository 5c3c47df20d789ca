#pragma once

#include <cstdint>

#include "polymoe/base/random.h"
#include "polymoe/kernels/cuda/stream.h"

namespace polymoe::kernels::cuda {

/// kernels::fill_uniform() of values [count] on the GPU: the same bits.
void fill_uniform(float* values, std::int64_t count, std::int64_t first, float low, float high, PhiloxKey key,
                  Stream stream);

}  // namespace polymoe::kernels::cuda
