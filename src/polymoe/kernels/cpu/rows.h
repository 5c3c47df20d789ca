#pragma once

#include <cstdint>

#include "polymoe/kernels/bfloat16.h"
#include "polymoe/kernels/token_ranges.h"

/// Moving rows between tokens and expert slots. `slot_of` [assignments] lists the slots of token after token, as a
/// TokenRanges says; -1 marks a dropped assignment. All functions work on the range [begin, end) of their outer index,
/// so that callers spread it over threads; no two indices write the same row.
namespace polymoe::kernels {

/// output[i] = input[index[i]] for rows of `row_bytes` bytes, i in [begin, end).
void gather_rows(const void* input, void* output, const std::int64_t* index, std::int64_t row_bytes, std::int64_t begin,
                 std::int64_t end);

/// output[t] = sum over its assignments a of weights[a] * input[slot_of[a]], tokens t in [begin, end); `weights` null
/// means 1.
/// Sums in float32. A token whose assignments were all dropped gets zeros.
template <typename T>
void combine_rows(const T* input, const float* weights, const std::int64_t* slot_of, T* output, std::int64_t width,
                  const TokenRanges& tokens, std::int64_t begin, std::int64_t end);

/// The backward of combine_rows: for tokens t in [begin, end) and each kept assignment a of t,
///   grad_input[slot_of[a]] = weights[a] * grad_output[t],
///   grad_weights[a] = <grad_output[t], input[slot_of[a]]> (0 where dropped).
template <typename T>
void combine_rows_backward(const T* grad_output, const T* input, const float* weights, const std::int64_t* slot_of,
                           T* grad_input, float* grad_weights, std::int64_t width, const TokenRanges& tokens,
                           std::int64_t begin, std::int64_t end);

}  // namespace polymoe::kernels
