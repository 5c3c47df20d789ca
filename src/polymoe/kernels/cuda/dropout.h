#pragma once

#include <cstdint>

#include "polymoe/base/random.h"
#include "polymoe/kernels/bfloat16.h"
#include "polymoe/kernels/cuda/stream.h"

namespace polymoe::kernels::cuda {

/// kernels::dropout() on the GPU: the same mask. T is float or BFloat16. Where `added` [rows, width] is not null, its
/// elements are added to what is left, in float32. `output` may be `input` or `added`.
template <typename T>
void dropout(const T* input, const T* added, T* output, std::int64_t rows, std::int64_t width,
             const std::int64_t* row_ids, std::int64_t first_row, std::int64_t first_column, double p, PhiloxKey key,
             Stream stream);

}  // namespace polymoe::kernels::cuda
