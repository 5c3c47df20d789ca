#include "polymoe/kernels/cpu/attention.h"

#include <algorithm>
#include <cmath>

#include "polymoe/kernels/cpu/product_tile.h"
#include "polymoe/kernels/cpu/vector_math.h"

namespace polymoe::kernels {
namespace {

/// Columns that are computed at a time.
constexpr std::int64_t kColumns = kHeadWidths;

constexpr std::int64_t padded(std::int64_t keys) { return (keys + kColumns - 1) / kColumns * kColumns; }

/// out[r, c] = the sum over i of a[r * row + i * step] * b[i, c], where b's columns come in panels of kPanel.
struct SmallProduct {
  const float* a;
  std::int64_t row, step;
  const float* b;
  std::int64_t b_row, b_panel;
  std::int64_t terms;
  float* out;
  std::int64_t out_row;
};

template <int kLanes, int kRows>
POLYMOE_INLINE void small_tile(const SmallProduct& p, const float* a, const float* b, float* out) {
  using Floats = typename Lanes<kLanes>::Floats;
  constexpr int kVectors = kColumns / kLanes;
  Floats sums[kRows][kVectors] = {};
  for (std::int64_t i = 0; i < p.terms; ++i) {
    for (int v = 0; v < kVectors; ++v) {
      const Floats factors = *reinterpret_cast<const Floats*>(b + i * p.b_row + v * kLanes);
      for (int r = 0; r < kRows; ++r) sums[r][v] += a[r * p.row + i * p.step] * factors;
    }
  }
  for (int r = 0; r < kRows; ++r) {
    for (int v = 0; v < kVectors; ++v) *reinterpret_cast<Floats*>(out + r * p.out_row + v * kLanes) = sums[r][v];
  }
}

template <int kLanes>
POLYMOE_INLINE void small_product(const SmallProduct& p, std::int64_t rows, std::int64_t columns) {
  constexpr int kRows = 6;
  for (std::int64_t c = 0; c < columns; c += kColumns) {
    const float* b = p.b + c / kPanel * p.b_panel + c % kPanel;
    std::int64_t r = 0;
    for (; r + kRows <= rows; r += kRows) small_tile<kLanes, kRows>(p, p.a + r * p.row, b, p.out + r * p.out_row + c);
    for (; r + 2 <= rows; r += 2) small_tile<kLanes, 2>(p, p.a + r * p.row, b, p.out + r * p.out_row + c);
    if (r < rows) small_tile<kLanes, 1>(p, p.a + r * p.row, b, p.out + r * p.out_row + c);
  }
}

using Row = AttentionRow<float>;

/// out [queries, padded(keys)] = a times the transpose of `keys`; `panels` holds the transpose.
template <int kLanes>
POLYMOE_INLINE void multiply_keys(const Row& row, const HeadRows<float>& a, const HeadRows<float>& keys, float* panels,
                                  float* out) {
  for (std::int64_t p = 0; p < panels_of(row.keys); ++p) {
    transpose_panel(keys.data + p * kPanel * keys.row, keys.row, row.width, columns_of(p, row.keys),
                    panels + p * kPanel * row.width);
  }
  const std::int64_t columns = padded(row.keys);
  small_product<kLanes>({a.data, a.row, 1, panels, kPanel, kPanel * row.width, row.width, out, columns}, row.queries,
                        columns);
}

/// The attention weights, in place of the scores [queries, padded(keys)]; zero where a query sees no key.
template <int kLanes>
POLYMOE_INLINE void softmax_rows(const Row& row, float scale, float* scores) {
  const std::int64_t columns = padded(row.keys);
  for (std::int64_t i = 0; i < row.queries; ++i) {
    float* own = scores + i * columns;
    const std::int64_t seen = row.causal ? std::min(i + 1, row.keys) : row.keys;
    const float greatest = greatest_of<kLanes>(own, seen);
    float sums[kColumns] = {};
    for (std::int64_t j = 0; j < columns; j += kColumns) {
      for (std::int64_t l = 0; l < kColumns; ++l) {
        const float power = vector_exp((own[j + l] - greatest) * scale);
        own[j + l] = j + l < seen ? power : 0.0f;
        sums[l] += own[j + l];
      }
    }
    float sum = 0.0f;
    for (const float part : sums) sum += part;
    const float share = 1.0f / sum;
    for (std::int64_t j = 0; j < columns; ++j) own[j] *= share;
  }
}

POLYMOE_INLINE float scale_of(const Row& row) { return 1.0f / std::sqrt(static_cast<float>(row.width)); }

/// What attention is computed with, in place of Element's rows: these themselves, or floats in `room`, which goes on
/// behind them.
POLYMOE_INLINE HeadRows<float> widened(const HeadRows<float>& rows, std::int64_t, std::int64_t, float*&) {
  return rows;
}
POLYMOE_INLINE HeadRows<float> widened(const HeadRows<BFloat16>& rows, std::int64_t count, std::int64_t width,
                                       float*& room) {
  const HeadRows<float> wide{room, width};
  for (std::int64_t r = 0; r < count; ++r, room += width) {
    for (std::int64_t c = 0; c < width; ++c) room[c] = to_float(rows.data[r * rows.row + c]);
  }
  return wide;
}
template <typename Element>
POLYMOE_INLINE Row widened(const AttentionRow<Element>& row, float*& room) {
  return {widened(row.q, row.queries, row.width, room),
          widened(row.k, row.keys, row.width, room),
          widened(row.v, row.keys, row.width, room),
          row.queries,
          row.keys,
          row.width,
          row.causal};
}

/// Where results go that narrow() then brings to `rows`.
POLYMOE_INLINE HeadRowsOut<float> wide_place(const HeadRowsOut<float>& rows, std::int64_t, std::int64_t, float*&) {
  return rows;
}
POLYMOE_INLINE HeadRowsOut<float> wide_place(const HeadRowsOut<BFloat16>&, std::int64_t count, std::int64_t width,
                                             float*& room) {
  const HeadRowsOut<float> place{room, width};
  room += count * width;
  return place;
}
POLYMOE_INLINE void narrow(const HeadRowsOut<float>&, std::int64_t, std::int64_t, const HeadRowsOut<float>&) {}
POLYMOE_INLINE void narrow(const HeadRowsOut<float>& wide, std::int64_t count, std::int64_t width,
                           const HeadRowsOut<BFloat16>& rows) {
  for (std::int64_t r = 0; r < count; ++r) {
    for (std::int64_t c = 0; c < width; ++c) from_float(wide.data[r * wide.row + c], rows.data[r * rows.row + c]);
  }
}

/// The floats of what is computed, without those of widened rows.
std::int64_t score_floats(std::int64_t queries, std::int64_t keys, std::int64_t width) {
  return panels_of(keys) * kPanel * width + 2 * queries * padded(keys);
}

template <typename Element>
struct Attend {
  AttentionRow<Element> given;
  HeadRowsOut<Element> to;
  float* scratch;

  template <int kLanes, int kVectors>
  POLYMOE_INLINE void run() const {
    float* room = scratch + score_floats(given.queries, given.keys, given.width);
    const Row row = widened(given, room);
    const HeadRowsOut<float> y = wide_place(to, row.queries, row.width, room);
    float* weights = scratch + panels_of(row.keys) * kPanel * row.width;
    multiply_keys<kLanes>(row, row.q, row.k, scratch, weights);
    softmax_rows<kLanes>(row, scale_of(row), weights);
    small_product<kLanes>({weights, padded(row.keys), 1, row.v.data, row.v.row, kPanel, row.keys, y.data, y.row},
                          row.queries, row.width);
    narrow(y, row.queries, row.width, to);
  }
};

template <typename Element>
struct AttendBackward {
  AttentionRow<Element> given;
  HeadRows<Element> given_dy;
  HeadRowsOut<Element> to_dq, to_dk, to_dv;
  float* scratch;

  template <int kLanes, int kVectors>
  POLYMOE_INLINE void run() const {
    float* room = scratch + score_floats(given.queries, given.keys, given.width);
    const Row row = widened(given, room);
    const HeadRows<float> dy = widened(given_dy, row.queries, row.width, room);
    const HeadRowsOut<float> dq = wide_place(to_dq, row.queries, row.width, room),
                             dk = wide_place(to_dk, row.keys, row.width, room),
                             dv = wide_place(to_dv, row.keys, row.width, room);
    const std::int64_t columns = padded(row.keys);
    float* weights = scratch + panels_of(row.keys) * kPanel * row.width;
    float* gradient = weights + row.queries * columns;
    multiply_keys<kLanes>(row, row.q, row.k, scratch, weights);
    softmax_rows<kLanes>(row, scale_of(row), weights);
    small_product<kLanes>({weights, 1, columns, dy.data, dy.row, kPanel, row.queries, dv.data, dv.row}, row.keys,
                          row.width);
    multiply_keys<kLanes>(row, dy, row.v, scratch, gradient);
    to_scores(row, weights, gradient);
    small_product<kLanes>({gradient, columns, 1, row.k.data, row.k.row, kPanel, row.keys, dq.data, dq.row}, row.queries,
                          row.width);
    small_product<kLanes>({gradient, 1, columns, row.q.data, row.q.row, kPanel, row.queries, dk.data, dk.row}, row.keys,
                          row.width);
    narrow(dq, row.queries, row.width, to_dq);
    narrow(dk, row.keys, row.width, to_dk);
    narrow(dv, row.keys, row.width, to_dv);
  }

  /// The gradient at the scores, before their scale, in place of that at the weights.
  static POLYMOE_INLINE void to_scores(const Row& row, const float* weights, float* gradient) {
    const std::int64_t columns = padded(row.keys);
    const float scale = scale_of(row);
    for (std::int64_t i = 0; i < row.queries; ++i) {
      const float* own = weights + i * columns;
      float *change = gradient + i * columns, sums[kColumns] = {};
      for (std::int64_t j = 0; j < columns; j += kColumns) {
        for (std::int64_t l = 0; l < kColumns; ++l) sums[l] += own[j + l] * change[j + l];
      }
      float sum = 0.0f;
      for (const float part : sums) sum += part;
      for (std::int64_t j = 0; j < columns; ++j) change[j] = own[j] * (change[j] - sum) * scale;
    }
  }
};

}  // namespace

std::int64_t attention_scratch(std::int64_t queries, std::int64_t keys, std::int64_t width) {
  // Widened: q, dy and dq; k, v, dk and dv.
  return score_floats(queries, keys, width) + (3 * queries + 4 * keys) * width;
}

template <typename Element>
void attend(const AttentionRow<Element>& row, const HeadRowsOut<Element>& y, float* scratch, Vectors vectors) {
  run_kernel(Attend<Element>{row, y, scratch}, vectors);
}

template <typename Element>
void attend_backward(const AttentionRow<Element>& row, const HeadRows<Element>& dy, const HeadRowsOut<Element>& dq,
                     const HeadRowsOut<Element>& dk, const HeadRowsOut<Element>& dv, float* scratch, Vectors vectors) {
  run_kernel(AttendBackward<Element>{row, dy, dq, dk, dv, scratch}, vectors);
}

#define POLYMOE_ATTENTION(Element)                                                                                   \
  template void attend(const AttentionRow<Element>&, const HeadRowsOut<Element>&, float*, Vectors);                  \
  template void attend_backward(const AttentionRow<Element>&, const HeadRows<Element>&, const HeadRowsOut<Element>&, \
                                const HeadRowsOut<Element>&, const HeadRowsOut<Element>&, float*, Vectors);
POLYMOE_ATTENTION(float)
POLYMOE_ATTENTION(BFloat16)
#undef POLYMOE_ATTENTION

}  // namespace polymoe::kernels
