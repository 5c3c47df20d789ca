#pragma once

#include <cstdint>

#include "polymoe/kernels/cpu/vectors.h"

/// What decoding needs beside products: rows of float32, each computed on its own, so that it does not depend on what
/// else is in its batch. Where a function takes a range, callers spread it over threads.
namespace polymoe::kernels {

/// Where the keys and values of a query lie: `count` rows of heads * head_width floats each.
struct CachedRows {
  const float* const* keys;
  const float* const* values;
  std::int64_t count;
};

/// Queries over the same keys and values: `count` of heads * head_width floats, `stride` floats from one to the next.
struct QueryRows {
  const float* queries;
  std::int64_t count;
  std::int64_t stride;
};

/// softmax(scale * q k^T) v of each query, head by head -> output [queries.count, heads * head_width]. `scores` has
/// room for rows.count floats.
void attend(const QueryRows& queries, const CachedRows& rows, std::int64_t heads, std::int64_t head_width, float scale,
            float* scores, float* output, Vectors vectors = best_vectors());

/// The weights by which attend() sums values, as the mean over the heads -> weights [queries.count, rows.count].
void attention_weights(const QueryRows& queries, const CachedRows& rows, std::int64_t heads, std::int64_t head_width,
                       float scale, float* scores, float* weights, Vectors vectors = best_vectors());

/// (x - mean) / sqrt(variance + epsilon) * weight + bias for each of `rows` rows. `y` may be `x`.
void layer_norm(const float* x, std::int64_t rows, std::int64_t width, const float* weight, const float* bias,
                float epsilon, float* y, Vectors vectors = best_vectors());

/// log softmax of rows [begin, end), in place.
void log_softmax(float* x, std::int64_t width, std::int64_t begin, std::int64_t end, Vectors vectors = best_vectors());

/// softmax of each row, in place.
void softmax(float* x, std::int64_t rows, std::int64_t width, Vectors vectors = best_vectors());

/// The `count` greatest of scores[r] + x[r, c], r in [0, rows): into best [count], greatest first, and into places
/// [count] the r * width + c that they are of. Of equals the first one is taken; where there are fewer numbers than
/// that, the rest is minus infinity, of place 0.
void greatest_sums(const float* x, const float* scores, std::int64_t rows, std::int64_t width, std::int64_t count,
                   float* best, std::int64_t* places, Vectors vectors = best_vectors());

}  // namespace polymoe::kernels
