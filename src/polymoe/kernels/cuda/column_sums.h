#pragma once

#include <cstdint>

#include "polymoe/kernels/bfloat16.h"
#include "polymoe/kernels/cuda/stream.h"

/// Gradients of biases. T is float or BFloat16; all is added up in float32, in an order that the sizes and the
/// addresses' alignment alone decide, and rounded once. `workspace` holds column_sums_workspace(rows, width) values, of
/// no meaning before or after.
namespace polymoe::kernels::cuda {

std::int64_t column_sums_workspace(std::int64_t rows, std::int64_t width);

/// sums [width]: over the rows of values [rows, width].
template <typename T>
void column_sums(const T* values, std::int64_t rows, std::int64_t width, T* sums, float* workspace, Stream stream);

/// The backward of ReLU and the sums of what it gives, in one pass: result [rows, width] is grad where `active`, the
/// output of ReLU, is positive, and zero elsewhere; it may be `grad`.
template <typename T>
void relu_backward_sums(const T* grad, const T* active, T* result, std::int64_t rows, std::int64_t width, T* sums,
                        float* workspace, Stream stream);

}  // namespace polymoe::kernels::cuda
