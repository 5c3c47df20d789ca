#pragma once

#include <cstdint>

#include "polymoe/kernels/cpu/packed_product.h"

/// Softmax attention, softmax(q k^T / sqrt(width)) v, of one row of tokens and one head at a time, for rows of the few
/// tokens that sentences have. A query's result depends on its row's keys alone, bit for bit.
namespace polymoe::kernels {

/// Of heads of multiples of so many floats.
constexpr std::int64_t kHeadWidths = 16;

/// Vectors of `width` floats; one begins `row` floats after the one before.
struct HeadRows {
  const float* data;
  std::int64_t row;
};
struct HeadRowsOut {
  float* data;
  std::int64_t row;
};

/// A row's queries, keys and values. `causal`: a query sees the keys up to its own place.
struct AttentionRow {
  HeadRows q, k, v;
  std::int64_t queries, keys, width;
  bool causal;
};

/// The floats of `scratch` below, for rows of up to so many queries and keys.
std::int64_t attention_scratch(std::int64_t queries, std::int64_t keys, std::int64_t width);

/// The results [queries, width] of a row.
void attend(const AttentionRow& row, const HeadRowsOut& y, float* scratch, Vectors vectors = best_vectors());

/// The gradients of a row's queries, keys and values, given those of its results. What forward found is found again.
void attend_backward(const AttentionRow& row, const HeadRows& dy, const HeadRowsOut& dq, const HeadRowsOut& dk,
                     const HeadRowsOut& dv, float* scratch, Vectors vectors = best_vectors());

}  // namespace polymoe::kernels
