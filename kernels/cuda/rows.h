#pragma once

#include <cstdint>

#include "kernels/bfloat16.h"
#include "kernels/cuda/stream.h"

namespace polymoe::kernels::cuda {

/// kernels::combine_rows() for all `tokens`, on the GPU. T is float or BFloat16.
template <typename T>
void combine_rows(const T* input, const float* weights, const std::int64_t* slot_of, T* output, std::int64_t tokens,
                  std::int64_t width, std::int64_t top_k, Stream stream);

/// kernels::combine_rows_backward() for all `tokens`, on the GPU.
template <typename T>
void combine_rows_backward(const T* grad_output, const T* input, const float* weights, const std::int64_t* slot_of,
                           T* grad_input, float* grad_weights, std::int64_t tokens, std::int64_t width,
                           std::int64_t top_k, Stream stream);

}  // namespace polymoe::kernels::cuda
