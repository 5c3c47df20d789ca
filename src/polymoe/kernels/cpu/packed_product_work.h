#pragma once

#include <algorithm>
#include <cstdint>

#include "polymoe/kernels/cpu/lanes.h"
#include "polymoe/kernels/cpu/packed_product.h"
#include "polymoe/kernels/cpu/vector_math.h"

/// What products of all formats share: the walk over rows and panels, and the end of a tile.
namespace polymoe::kernels {

/// Rows that go through all panels together, so that they stay in the L2 cache beside a panel.
constexpr std::int64_t kRowBytes = 128 * 1024;

/// What a tile has the CPU fetch while it computes: its share of the next panel's bytes.
struct Ahead {
  const char* from;
  std::int64_t bytes;

  POLYMOE_INLINE Ahead part(std::int64_t index, std::int64_t parts) const {
    return {from + bytes * index / parts, bytes / parts};
  }
  /// Fetches the line at a step of a loop; to the L2 cache, for a panel may be larger than the first.
  POLYMOE_INLINE void fetch(std::int64_t step, std::int64_t steps) const {
    __builtin_prefetch(from + step * (bytes / steps), 0, 2);
  }
};

POLYMOE_INLINE void end_rows(float* sums, std::int64_t rows, std::int64_t column, std::int64_t columns,
                             std::int64_t outputs, const ProductEnd& end, float* y) {
  for (std::int64_t r = 0; r < rows; ++r) {
    float* row = sums + r * kPanel;
    float* out = y + r * outputs + column;
    if (end.bias != nullptr) {
      const float* bias = end.bias + column;
      for (std::int64_t c = 0; c < columns; ++c) row[c] += bias[c];
    }
    if (end.activates) vector_activate(row, kPanel, end.activation);
    if (end.adds) {
      for (std::int64_t c = 0; c < columns; ++c) out[c] += row[c];
    } else {
      for (std::int64_t c = 0; c < columns; ++c) out[c] = row[c];
    }
  }
}

/// Writes a tile's sums [rows, kPanel] to their place in y [.., outputs]: `columns` outputs from `column` on.
POLYMOE_INLINE void end_tile(float* sums, std::int64_t rows, std::int64_t column, std::int64_t columns,
                             std::int64_t outputs, const ProductEnd& end, float* y) {
  // Whole panels have a length that the compiler knows.
  if (columns == kPanel) return end_rows(sums, rows, column, kPanel, outputs, end, y);
  end_rows(sums, rows, column, columns, outputs, end, y);
}

/// Calls tile.compute(rows, first row, panel, sums, what it fetches) and ends the tile, for all rows and the panels
/// [first, last).
template <typename Tile>
POLYMOE_INLINE void for_each_tile(const Tile& tile, std::int64_t rows, std::int64_t row_bytes, std::int64_t outputs,
                                  std::int64_t first, std::int64_t last, const ProductEnd& end, float* y) {
  alignas(64) float sums[kTileRows * kPanel] = {};
  const std::int64_t chunk = std::max(kTileRows, kRowBytes / row_bytes / kTileRows * kTileRows);
  for (std::int64_t begin = 0; begin < rows; begin += chunk) {
    const std::int64_t count = std::min(chunk, rows - begin);
    const std::int64_t tiles = (count + kTileRows - 1) / kTileRows;
    for (std::int64_t panel = first; panel < last; ++panel) {
      const std::int64_t column = panel * kPanel, columns = std::min(kPanel, outputs - column);
      for (std::int64_t t = 0; t < tiles; ++t) {  // tiles of even heights
        const std::int64_t row = begin + count * t / tiles, height = begin + count * (t + 1) / tiles - row;
        const Ahead next{tile.bytes_at(std::min(panel + 1, last - 1)), tile.panel_bytes()};
        tile.compute(height, row, panel, sums, next.part(t, tiles));
        end_tile(sums, height, column, columns, outputs, end, y + row * outputs);
      }
    }
  }
}

}  // namespace polymoe::kernels
