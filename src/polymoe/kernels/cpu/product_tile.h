#pragma once

#include <algorithm>
#include <cstdint>

#include "polymoe/kernels/cpu/lanes.h"
#include "polymoe/kernels/cpu/packed_product.h"

/// What the float products of training are made of: tiles of sums that stay in registers while a packed panel of one
/// factor passes by. A sum runs over its terms in order, whatever tile it is in.
namespace polymoe::kernels {

/// Terms of a sum that run from one packed block: with kPanel columns 16 KB, half of a small L1 cache.
inline constexpr std::int64_t kBlock = 64;
/// Floats of a cache line.
inline constexpr std::int64_t kLine = 16;

/// 32 bits: a float, or two bfloat16 (pair_terms.h).
typedef float Word __attribute__((may_alias));

/// A term of a sum that is the product of two floats.
struct FloatTerms {
  using Element = float;

  /// sums[r] += a[r * row] * panel.
  template <int kLanes, int kVectors, int kRows>
  static POLYMOE_INLINE void add(const Word* a, std::int64_t row, const float* panel,
                                 typename Lanes<kLanes>::Floats (&sums)[kRows][kVectors]) {
    typename Lanes<kLanes>::Floats factors[kVectors];
    for (int v = 0; v < kVectors; ++v) Lanes<kLanes>::load(panel + v * kLanes, factors[v]);
    for (int r = 0; r < kRows; ++r) {
      const float value = a[r * row];
      for (int v = 0; v < kVectors; ++v) sums[r][v] += value * factors[v];
    }
  }
};

/// out[r, c] = (or +=) the sum over i of a[r, i] * panel[i, c], for kPanel columns.
struct Tile {
  const Word* a;
  std::int64_t row;   ///< from a row of `a` to the next
  std::int64_t step;  ///< from a term to the next
  const float* panel;
  std::int64_t terms;
  float* out;
  std::int64_t out_row;
  bool continues;  ///< whether sums go on from what is there
  /// What is wanted next, for the CPU to fetch while it computes: a cache line for each term, `ahead_step` apart.
  const float* ahead;
  std::int64_t ahead_step;
};

template <typename Terms, int kLanes, int kVectors, int kRows>
POLYMOE_INLINE void sum_tile(const Tile& t) {
  using Floats = typename Lanes<kLanes>::Floats;
  for (std::int64_t c = 0; c < kPanel; c += std::int64_t{kLanes} * kVectors) {
    Floats sums[kRows][kVectors] = {};
    if (t.continues) {
      for (int r = 0; r < kRows; ++r) {
        for (int v = 0; v < kVectors; ++v)
          sums[r][v] = *reinterpret_cast<const Floats*>(t.out + r * t.out_row + c + v * kLanes);
      }
    }
    const Word* a = t.a;
    const float* panel = t.panel + c;
    for (std::int64_t i = 0; i < t.terms; ++i, a += t.step, panel += kPanel) {
      if (c == 0) __builtin_prefetch(t.ahead + i * t.ahead_step);
      Terms::template add<kLanes, kVectors, kRows>(a, t.row, panel, sums);
    }
    for (int r = 0; r < kRows; ++r) {
      for (int v = 0; v < kVectors; ++v)
        *reinterpret_cast<Floats*>(t.out + r * t.out_row + c + v * kLanes) = sums[r][v];
    }
  }
}

template <int kLanes, int kVectors, typename Terms = FloatTerms>
POLYMOE_INLINE void sum_rows(const Tile& tile, std::int64_t rows) {
  switch (rows) {
    case 1:
      return sum_tile<Terms, kLanes, kVectors, 1>(tile);
    case 2:
      return sum_tile<Terms, kLanes, kVectors, 2>(tile);
    case 3:
      return sum_tile<Terms, kLanes, kVectors, 3>(tile);
    case 4:
      return sum_tile<Terms, kLanes, kVectors, 4>(tile);
    case 5:
      return sum_tile<Terms, kLanes, kVectors, 5>(tile);
    default:
      return sum_tile<Terms, kLanes, kVectors, 6>(tile);
  }
}

/// A tile of which only `columns` are there in memory.
template <int kLanes, int kVectors, typename Terms = FloatTerms>
POLYMOE_INLINE void sum_columns(Tile tile, std::int64_t rows, std::int64_t columns) {
  if (columns == kPanel) return sum_rows<kLanes, kVectors, Terms>(tile, rows);
  alignas(64) float sums[kTileRows * kPanel] = {};
  float* out = tile.out;
  const std::int64_t out_row = tile.out_row;
  if (tile.continues) {
    for (std::int64_t r = 0; r < rows; ++r) std::copy_n(out + r * out_row, columns, sums + r * kPanel);
  }
  tile.out = sums;
  tile.out_row = kPanel;
  sum_rows<kLanes, kVectors, Terms>(tile, rows);
  for (std::int64_t r = 0; r < rows; ++r) std::copy_n(sums + r * kPanel, columns, out + r * out_row);
}

/// Calls f(first row, rows) for tiles of even heights.
template <typename Function>
POLYMOE_INLINE void for_each_tile(std::int64_t rows, const Function& f) {
  const std::int64_t tiles = (rows + kTileRows - 1) / kTileRows;
  for (std::int64_t t = 0; t < tiles; ++t) f(rows * t / tiles, rows * (t + 1) / tiles - rows * t / tiles);
}

/// panel[i, c] = rows[i, c], the columns behind `columns` zero.
POLYMOE_INLINE void copy_panel(const float* rows, std::int64_t row, std::int64_t count, std::int64_t columns,
                               float* panel) {
  for (std::int64_t i = 0; i < count; ++i) {
    if (columns == kPanel) {
      // In registers: as a call it would take as long as the copying.
      for (std::int64_t c = 0; c < kPanel; c += kLine) {
        using Line = Lanes<kLine>::Floats;
        *reinterpret_cast<Line*>(panel + i * kPanel + c) = *reinterpret_cast<const Line*>(rows + i * row + c);
      }
    } else {
      std::fill(std::copy_n(rows + i * row, columns, panel + i * kPanel), panel + (i + 1) * kPanel, 0.0f);
    }
  }
}

/// to[i, c] = from[c, i] of 8 x 8 floats.
POLYMOE_INLINE void transpose_8(const float* from, std::int64_t row, float* to) {
  using Floats = Lanes<8>::Floats;
  Floats in[8], pairs[8], fours[8];
  for (int c = 0; c < 8; ++c) in[c] = *reinterpret_cast<const Floats*>(from + c * row);
  for (int c = 0; c < 8; c += 2) {
    pairs[c] = __builtin_shufflevector(in[c], in[c + 1], 0, 8, 1, 9, 4, 12, 5, 13);
    pairs[c + 1] = __builtin_shufflevector(in[c], in[c + 1], 2, 10, 3, 11, 6, 14, 7, 15);
  }
  for (int c = 0; c < 8; c += 4) {
    fours[c] = __builtin_shufflevector(pairs[c], pairs[c + 2], 0, 1, 8, 9, 4, 5, 12, 13);
    fours[c + 1] = __builtin_shufflevector(pairs[c], pairs[c + 2], 2, 3, 10, 11, 6, 7, 14, 15);
    fours[c + 2] = __builtin_shufflevector(pairs[c + 1], pairs[c + 3], 0, 1, 8, 9, 4, 5, 12, 13);
    fours[c + 3] = __builtin_shufflevector(pairs[c + 1], pairs[c + 3], 2, 3, 10, 11, 6, 7, 14, 15);
  }
  for (int i = 0; i < 4; ++i) {
    *reinterpret_cast<Floats*>(to + i * kPanel) =
        __builtin_shufflevector(fours[i], fours[i + 4], 0, 1, 2, 3, 8, 9, 10, 11);
    *reinterpret_cast<Floats*>(to + (i + 4) * kPanel) =
        __builtin_shufflevector(fours[i], fours[i + 4], 4, 5, 6, 7, 12, 13, 14, 15);
  }
}

/// panel[i, c] = rows[c, i], where a row begins `row` floats after the one before; the columns behind `columns` zero.
POLYMOE_INLINE void transpose_panel(const float* rows, std::int64_t row, std::int64_t inputs, std::int64_t columns,
                                    float* panel) {
  const std::int64_t whole_columns = columns / 8 * 8, whole_inputs = inputs / 8 * 8;
  // A few rows from end to end, so that the CPU foresees what is read.
  for (std::int64_t c = 0; c < whole_columns; c += 8) {
    for (std::int64_t i = 0; i < whole_inputs; i += 8) transpose_8(rows + c * row + i, row, panel + i * kPanel + c);
    for (std::int64_t i = whole_inputs; i < inputs; ++i) {
      for (std::int64_t k = c; k < c + 8; ++k) panel[i * kPanel + k] = rows[k * row + i];
    }
  }
  if (whole_columns == kPanel) return;
  for (std::int64_t i = 0; i < inputs; ++i) {
    for (std::int64_t c = whole_columns; c < columns; ++c) panel[i * kPanel + c] = rows[c * row + i];
    std::fill(panel + i * kPanel + columns, panel + (i + 1) * kPanel, 0.0f);
  }
}

/// Has the CPU fetch the next tile's place while this one is computed.
POLYMOE_INLINE void fetch_to_write(const float* out, std::int64_t row, std::int64_t columns) {
  for (std::int64_t r = 0; r < kTileRows; ++r) {
    for (std::int64_t c = 0; c < columns; c += kLine) __builtin_prefetch(out + r * row + c, /*to write*/ 1);
  }
}

POLYMOE_INLINE std::int64_t columns_of(std::int64_t panel, std::int64_t width) {
  return std::min(kPanel, width - panel * kPanel);
}

}  // namespace polymoe::kernels
