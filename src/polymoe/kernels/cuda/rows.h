#pragma once

#include <cstdint>

#include "polymoe/kernels/bfloat16.h"
#include "polymoe/kernels/cuda/stream.h"
#include "polymoe/kernels/token_ranges.h"

namespace polymoe::kernels::cuda {

/// kernels::combine_rows() for all tokens, on the GPU, where `tokens.begin` lies too. T is float or BFloat16.
template <typename T>
void combine_rows(const T* input, const float* weights, const std::int64_t* slot_of, T* output, std::int64_t width,
                  const TokenRanges& tokens, Stream stream);

/// kernels::combine_rows_backward() for all tokens, on the GPU.
template <typename T>
void combine_rows_backward(const T* grad_output, const T* input, const float* weights, const std::int64_t* slot_of,
                           T* grad_input, float* grad_weights, std::int64_t width, const TokenRanges& tokens,
                           Stream stream);

}  // namespace polymoe::kernels::cuda
