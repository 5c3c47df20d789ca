#pragma once

#include <cstdint>

#include "polymoe/base/random.h"
#include "polymoe/kernels/bfloat16.h"

/// Dropout whose mask is a pure function of (key, row, column), so that any process, and the backward pass, can make
/// any part of it again. One Philox block serves eight neighbouring columns, 16 bits each: a probability is rounded to
/// a multiple of 2^-16.
namespace polymoe::kernels {

/// output[r, c] = keep(row_ids[r], first_column + c) ? input[r, c] / (1 - p) : 0 for `rows` rows of `width` columns.
/// `row_ids` names the rows; null means first_row, first_row + 1, ... `output` may be `input`.
void dropout(const float* input, float* output, std::int64_t rows, std::int64_t width, const std::int64_t* row_ids,
             std::int64_t first_row, std::int64_t first_column, double p, PhiloxKey key);
void dropout(const BFloat16* input, BFloat16* output, std::int64_t rows, std::int64_t width,
             const std::int64_t* row_ids, std::int64_t first_row, std::int64_t first_column, double p, PhiloxKey key);

/// Fills values[i] with uniform numbers in [low, high), the number at index first + i of the stream `key`.
void fill_uniform(float* values, std::int64_t count, std::int64_t first, float low, float high, PhiloxKey key);

}  // namespace polymoe::kernels
