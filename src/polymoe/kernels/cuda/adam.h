#pragma once

#include <cstdint>

#include "polymoe/kernels/bfloat16.h"
#include "polymoe/kernels/cpu/adam.h"
#include "polymoe/kernels/cuda/stream.h"

namespace polymoe::kernels::cuda {

/// kernels::adam() of values on the GPU. Gradient: float or BFloat16. `rounded` may be null.
template <typename Gradient>
void adam(float* parameters, const Gradient* gradients, float* first_moments, float* second_moments, BFloat16* rounded,
          std::int64_t count, const AdamStep& step, Stream stream);

}  // namespace polymoe::kernels::cuda
