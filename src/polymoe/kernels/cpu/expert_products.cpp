#include "polymoe/kernels/cpu/expert_products.h"

#include <algorithm>

#include "polymoe/kernels/cpu/product_tile.h"

namespace polymoe::kernels {
namespace {

/// Rows of a weight gradient that are summed before the sums go back to memory.
constexpr std::int64_t kRowBlock = 256;

// The products, each for any kind of vectors.

struct Forward {
  const float* x;
  std::int64_t rows;
  const float* weight;
  std::int64_t outputs, inputs;
  const float* bias;
  std::int64_t first, last;
  float* y;
  float* scratch;

  template <int kLanes, int kVectors>
  POLYMOE_INLINE void run() const {
    for (std::int64_t p = first; p < last; ++p) {
      const std::int64_t column = p * kPanel, columns = columns_of(p, outputs);
      transpose_panel(weight + column * inputs, inputs, inputs, columns, scratch);
      const float* next = weight + std::min(column + kPanel, outputs - columns) * inputs;
      for_each_tile(
          rows, [&](std::int64_t row, std::int64_t height) __attribute__((always_inline)) {
            float* out = y + row * outputs + column;
            // Each tile fetches its share of the next panel.
            const float* ahead = next + columns * inputs * row / rows;
            sum_columns<kLanes, kVectors>(
                {x + row * inputs, inputs, 1, scratch, inputs, out, outputs, false, ahead, columns * height / rows},
                height, columns);
            if (bias == nullptr) return;
            for (std::int64_t r = 0; r < height; ++r) {
              for (std::int64_t c = 0; c < columns; ++c) out[r * outputs + c] += bias[column + c];
            }
          });
    }
  }
};

struct Backward {
  const float* dy;
  std::int64_t rows;
  const float* weight;
  std::int64_t outputs, inputs;
  std::int64_t first, last;
  float* dx;
  float* scratch;

  template <int kLanes, int kVectors>
  POLYMOE_INLINE void run() const {
    for (std::int64_t o = 0; o < outputs; o += kBlock) {
      const std::int64_t terms = std::min(kBlock, outputs - o);
      for (std::int64_t p = first; p < last; ++p) {
        const std::int64_t column = p * kPanel, columns = columns_of(p, inputs);
        const float* block = weight + o * inputs + column;
        copy_panel(block, inputs, terms, columns, scratch);
        // The next panel lies beside this one, or below it.
        const float* next = p + 1 < last ? block + kPanel : block;
        for_each_tile(
            rows, [&](std::int64_t row, std::int64_t height) __attribute__((always_inline)) {
              const std::int64_t line = std::min(row / kTileRows * kLine, columns - 1);
              sum_columns<kLanes, kVectors>({dy + row * outputs + o, outputs, 1, scratch, terms,
                                             dx + row * inputs + column, inputs, o > 0, next + line, inputs},
                                            height, columns);
            });
      }
    }
  }
};

/// to[r, c] = rows[r, c] of few columns, which compilers move best by a count that they know.
POLYMOE_INLINE void copy_columns(const float* rows, std::int64_t row, std::int64_t count, std::int64_t columns,
                                 float* to) {
  if (columns == kTileRows) {
    for (std::int64_t r = 0; r < count; ++r) std::copy_n(rows + r * row, kTileRows, to + r * kTileRows);
  } else {
    for (std::int64_t r = 0; r < count; ++r) {
      for (std::int64_t c = 0; c < columns; ++c) to[r * columns + c] = rows[r * row + c];
    }
  }
}

struct WeightGradient {
  const float* dy;
  std::int64_t dy_row;
  const float* x;
  std::int64_t rows, outputs, inputs;
  std::int64_t first, last;
  float* dw;
  float* scratch;

  template <int kLanes, int kVectors>
  POLYMOE_INLINE void run() const {
    for (std::int64_t begin = 0; begin < rows; begin += kRowBlock) {
      const std::int64_t terms = std::min(kRowBlock, rows - begin);
      float* by_tile = scratch + kRowBlock * kPanel;  // of dy: the outputs of a tile beside each other, row after row
      // A few rows from end to end, so that the CPU foresees what is read.
      for (std::int64_t r = 0; r < terms; r += kLine) {
        const std::int64_t some = std::min(kLine, terms - r);
        for_each_tile(
            outputs, [&](std::int64_t o, std::int64_t height) __attribute__((always_inline)) {
              copy_columns(dy + (begin + r) * dy_row + o, dy_row, some, height, by_tile + o * terms + r * height);
            });
      }
      for (std::int64_t p = first; p < last; ++p) {
        const std::int64_t column = p * kPanel, columns = columns_of(p, inputs);
        copy_panel(x + begin * inputs + column, inputs, terms, columns, scratch);
        for_each_tile(
            outputs, [&](std::int64_t o, std::int64_t height) __attribute__((always_inline)) {
              float* out = dw + o * inputs + column;
              if (o + height < outputs) fetch_to_write(out + height * inputs, inputs, columns);
              const float* tile = by_tile + o * terms;
              sum_columns<kLanes, kVectors>(
                  {tile, 1, height, scratch, terms, out, inputs, begin > 0, tile + height * terms, height}, height,
                  columns);
            });
      }
    }
  }
};

}  // namespace

std::int64_t expert_scratch(std::int64_t rows, std::int64_t outputs, std::int64_t inputs) {
  const std::int64_t panel = kPanel * std::max(inputs, kBlock);
  return std::max(panel, kRowBlock * kPanel + std::min(rows, kRowBlock) * outputs);
}

void expert_forward(const float* x, std::int64_t rows, const float* weight, std::int64_t outputs, std::int64_t inputs,
                    const float* bias, std::int64_t first, std::int64_t last, float* y, float* scratch,
                    Vectors vectors) {
  run_kernel(Forward{x, rows, weight, outputs, inputs, bias, first, last, y, scratch}, vectors);
}

void expert_backward(const float* dy, std::int64_t rows, const float* weight, std::int64_t outputs, std::int64_t inputs,
                     std::int64_t first, std::int64_t last, float* dx, float* scratch, Vectors vectors) {
  run_kernel(Backward{dy, rows, weight, outputs, inputs, first, last, dx, scratch}, vectors);
}

void expert_weight_gradient(const float* dy, std::int64_t dy_row, const float* x, std::int64_t rows,
                            std::int64_t outputs, std::int64_t inputs, std::int64_t first, std::int64_t last, float* dw,
                            float* scratch, Vectors vectors) {
  run_kernel(WeightGradient{dy, dy_row, x, rows, outputs, inputs, first, last, dw, scratch}, vectors);
}

}  // namespace polymoe::kernels
