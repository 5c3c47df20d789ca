#pragma once

#include <cstdint>

#include "polymoe/kernels/bfloat16.h"
#include "polymoe/kernels/cuda/stream.h"

namespace polymoe::kernels::cuda {

/// How many parts sums of squares are taken in.
constexpr int kSquareParts = 1024;

/// parts[i] += the i-th part of the sum of squares of `count` values, in float64: the same parts in each run, so their
/// sum is the same number. Element: float or BFloat16. parts [kSquareParts].
template <typename Element>
void add_sum_of_squares(const Element* values, std::int64_t count, double* parts, Stream stream);

}  // namespace polymoe::kernels::cuda
