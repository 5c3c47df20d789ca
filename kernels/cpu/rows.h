#pragma once

#include <cstdint>

#include "kernels/bfloat16.h"

/// Moving rows between tokens and expert slots. `slot_of` is [tokens, top_k]; -1 marks a dropped assignment. All
/// functions work on the range [begin, end) of their outer index, so that callers spread it over threads; no two
/// indices write the same row.
namespace polymoe::kernels {

/// output[i] = input[index[i]] for rows of `row_bytes` bytes, i in [begin, end).
void gather_rows(const void* input, void* output, const std::int64_t* index, std::int64_t row_bytes, std::int64_t begin,
                 std::int64_t end);

/// output[t] = sum_j weights[t, j] * input[slot_of[t, j]], tokens t in [begin, end); `weights` null means 1.
/// Sums in float32. A token whose assignments were all dropped gets zeros.
template <typename T>
void combine_rows(const T* input, const float* weights, const std::int64_t* slot_of, T* output, std::int64_t width,
                  std::int64_t top_k, std::int64_t begin, std::int64_t end);

/// The backward of combine_rows: for tokens t in [begin, end) and each kept assignment j,
///   grad_input[slot_of[t, j]] = weights[t, j] * grad_output[t],
///   grad_weights[t, j] = <grad_output[t], input[slot_of[t, j]]> (0 where dropped).
template <typename T>
void combine_rows_backward(const T* grad_output, const T* input, const float* weights, const std::int64_t* slot_of,
                           T* grad_input, float* grad_weights, std::int64_t width, std::int64_t top_k,
                           std::int64_t begin, std::int64_t end);

}  // namespace polymoe::kernels
