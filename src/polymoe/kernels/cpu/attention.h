#pragma once

#include <cstdint>

#include "polymoe/kernels/bfloat16.h"
#include "polymoe/kernels/cpu/packed_product.h"

/// Softmax attention, softmax(q k^T / sqrt(width)) v, of one row of tokens and one head at a time, for rows of the few
/// tokens that sentences have; in float32 and, with the same sums, in bfloat16 (Element). A query's result depends on
/// its row's keys alone, bit for bit.
namespace polymoe::kernels {

/// Of heads of multiples of so many elements.
constexpr std::int64_t kHeadWidths = 16;

/// Vectors of `width` elements; one begins `row` elements after the one before.
template <typename Element>
struct HeadRows {
  const Element* data;
  std::int64_t row;
};
template <typename Element>
struct HeadRowsOut {
  Element* data;
  std::int64_t row;
};

/// A row's queries, keys and values. `causal`: a query sees the keys up to its own place.
template <typename Element>
struct AttentionRow {
  HeadRows<Element> q, k, v;
  std::int64_t queries, keys, width;
  bool causal;
};

/// The floats of `scratch` below, for rows of up to so many queries and keys.
std::int64_t attention_scratch(std::int64_t queries, std::int64_t keys, std::int64_t width);

/// The results [queries, width] of a row.
template <typename Element>
void attend(const AttentionRow<Element>& row, const HeadRowsOut<Element>& y, float* scratch,
            Vectors vectors = best_vectors());

/// The gradients of a row's queries, keys and values, given those of its results. What forward found is found again.
template <typename Element>
void attend_backward(const AttentionRow<Element>& row, const HeadRows<Element>& dy, const HeadRowsOut<Element>& dq,
                     const HeadRowsOut<Element>& dk, const HeadRowsOut<Element>& dv, float* scratch,
                     Vectors vectors = best_vectors());

}  // namespace polymoe::kernels
