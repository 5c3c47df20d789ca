#include "polymoe/kernels/cpu/bfloat16_products.h"

#include <algorithm>
#include <bit>

#include "polymoe/kernels/cpu/pair_terms.h"

namespace polymoe::kernels {
namespace {

/// Rows of a weight gradient that are summed at a time: their panel stays in a core's second cache.
constexpr std::int64_t kRowBlock = 2048;

/// Pairs of rows of dy that are laid out at a time for a weight gradient, 1 MB, but those of so many outputs at least.
constexpr std::int64_t kPairs = std::int64_t{1} << 18, kFewestOutputs = 8 * kTileRows;

constexpr std::int64_t output_block(std::int64_t pairs) { return std::max(kFewestOutputs, kPairs / pairs); }

/// The sums of a tile before they are rounded.
struct TileSums {
  alignas(64) float of_tile[kTileRows * kPanel];
};

/// out[r, c] = the rounded sums[r, c] of a tile, plus bias[c] where it is not null.
template <typename Terms>
POLYMOE_INLINE void round_tile(const float* sums, std::int64_t rows, std::int64_t columns, const BFloat16* bias,
                               BFloat16* out, std::int64_t out_row) {
  for (std::int64_t r = 0; r < rows; ++r) Terms::round(sums + r * kPanel, columns, bias, out + r * out_row);
}

template <typename Terms>
struct Forward {
  const BFloat16* x;
  std::int64_t rows;
  const BFloat16* weight;
  std::int64_t outputs, inputs;
  const BFloat16* bias;
  std::int64_t first, last;
  BFloat16* y;
  float* scratch;

  template <int kLanes, int kVectors>
  POLYMOE_INLINE void run() const {
    const std::int64_t pairs = inputs / 2;
    TileSums sums;
    for (std::int64_t p = first; p < last; ++p) {
      const std::int64_t column = p * kPanel, columns = columns_of(p, outputs);
      transpose_panel(words_of(weight) + column * pairs, pairs, pairs, columns, scratch);
      const float* next = words_of(weight) + std::min(column + kPanel, outputs - columns) * pairs;
      for_each_tile(
          rows, [&](std::int64_t row, std::int64_t height) __attribute__((always_inline)) {
            // Each tile fetches its share of the next panel.
            const float* ahead = next + columns * pairs * row / rows;
            sum_rows<kLanes, kVectors, Terms>({words_of(x) + row * pairs, pairs, 1, scratch, pairs, sums.of_tile,
                                               kPanel, false, ahead, columns * height / rows},
                                              height);
            round_tile<Terms>(sums.of_tile, height, columns, bias == nullptr ? nullptr : bias + column,
                              y + row * outputs + column, outputs);
          });
    }
  }
};

template <typename Terms>
struct Backward {
  const BFloat16* dy;
  std::int64_t rows;
  const BFloat16* weight;
  std::int64_t outputs, inputs;
  std::int64_t first, last;
  BFloat16* dx;
  float* scratch;

  template <int kLanes, int kVectors>
  POLYMOE_INLINE void run() const {
    const std::int64_t pairs = outputs / 2;
    TileSums sums;
    for (std::int64_t p = first; p < last; ++p) {
      const std::int64_t column = p * kPanel, columns = columns_of(p, inputs);
      lay_out_rows(weight + column, inputs, outputs, columns, scratch);
      const float* next = words_of(weight + column + (p + 1 < last ? kPanel : 0));
      for_each_tile(
          rows, [&](std::int64_t row, std::int64_t height) __attribute__((always_inline)) {
            // Two rows of a panel are four cache lines, which four tiles fetch of the next one.
            const std::int64_t line = row / kTileRows % 4;
            const float* ahead = next + line / 2 * (inputs / 2) + std::min(line % 2 * kLine, columns / 2 - 1);
            sum_rows<kLanes, kVectors, Terms>(
                {words_of(dy) + row * pairs, pairs, 1, scratch, pairs, sums.of_tile, kPanel, false, ahead, inputs},
                height);
            round_tile<Terms>(sums.of_tile, height, columns, nullptr, dx + row * inputs + column, inputs);
          });
    }
  }
};

/// to[i, c] = the pair of rows[2 i, c] and rows[2 i + 1, c] of a tile's columns; zero stands for a last odd row's other
/// half. `can_read_eight`: eight columns lie in memory, and the tile has four of them at least.
POLYMOE_INLINE void pair_columns(const BFloat16* rows, std::int64_t row, std::int64_t count, std::int64_t columns,
                                 bool can_read_eight, float* to) {
  using L = Lanes<8>;
  for (std::int64_t i = 0; i < count; i += 2, rows += 2 * row, to += columns) {
    if (can_read_eight && i + 3 < count) {
      // Eight are written; the next pair overwrites those behind the columns.
      *reinterpret_cast<L::Words*>(to) =
          __builtin_convertvector(*reinterpret_cast<const L::Halves*>(rows), L::Words) |
          __builtin_convertvector(*reinterpret_cast<const L::Halves*>(rows + row), L::Words) << 16;
      continue;
    }
    for (std::int64_t c = 0; c < columns; ++c) {
      const std::uint32_t upper = i + 1 < count ? rows[row + c].bits : 0;
      to[c] = std::bit_cast<float>(rows[c].bits | upper << 16);
    }
  }
}

template <typename Terms>
struct WeightGradient {
  const BFloat16* dy;
  std::int64_t dy_row;
  const BFloat16* x;
  std::int64_t rows, outputs, inputs;
  std::int64_t first, last;
  BFloat16* dw;
  float* scratch;

  template <int kLanes, int kVectors>
  POLYMOE_INLINE void run() const {
    if (rows == 0) return;
    const std::int64_t block = output_block((rows + 1) / 2);
    for (std::int64_t o = 0; o < outputs; o += block) add_up<kLanes, kVectors>(o, std::min(block, outputs - o));
  }

  /// The gradients of the outputs [first_output, first_output + some).
  template <int kLanes, int kVectors>
  POLYMOE_INLINE void add_up(std::int64_t first_output, std::int64_t some) const {
    const std::int64_t pairs = (rows + 1) / 2;
    float* panel = scratch;
    float* sums = panel + kRowBlock / 2 * kPanel;  // [some, kPanel]
    float* by_tile = sums + some * kPanel;         // of dy: the outputs of a tile beside each other, pair after pair
    // A few rows from end to end, so that the CPU foresees what is read.
    constexpr std::int64_t kSomeRows = 16;
    for (std::int64_t r = 0; r < rows; r += kSomeRows) {
      const BFloat16* from = dy + r * dy_row + first_output;
      for_each_tile(
          some, [&](std::int64_t o, std::int64_t height) __attribute__((always_inline)) {
            pair_columns(from + o, dy_row, std::min(kSomeRows, rows - r), height, o + 8 <= some,
                         by_tile + o * pairs + r / 2 * height);
          });
    }
    for (std::int64_t p = first; p < last; ++p) {
      const std::int64_t column = p * kPanel, columns = columns_of(p, inputs);
      for (std::int64_t begin = 0; begin < rows; begin += kRowBlock) {
        const std::int64_t count = std::min(kRowBlock, rows - begin);
        lay_out_rows(x + begin * inputs + column, inputs, count, columns, panel);
        for_each_tile(
            some, [&](std::int64_t o, std::int64_t height) __attribute__((always_inline)) {
              const float* tile = by_tile + o * pairs + begin / 2 * height;
              float* own = sums + o * kPanel;
              BFloat16* out = dw + (first_output + o) * inputs + column;
              if (o + height < some) fetch_to_write(words_of(out + height * inputs), inputs / 2, columns / 2);
              sum_rows<kLanes, kVectors, Terms>(
                  {tile, 1, height, panel, (count + 1) / 2, own, kPanel, begin > 0, tile + height * pairs, height},
                  height);
              if (begin + count < rows) return;
              round_tile<Terms>(own, height, columns, nullptr, out, inputs);
            });
      }
    }
  }
};

}  // namespace

std::int64_t bfloat16_scratch(std::int64_t rows, std::int64_t outputs, std::int64_t inputs) {
  const std::int64_t forward = kPanel * inputs / 2, backward = kPanel * outputs / 2;
  const std::int64_t pairs = (rows + 1) / 2;
  // Never less for more rows, though a block then has fewer outputs.
  const std::int64_t by_tile = std::min(outputs * pairs, std::max(kPairs, kFewestOutputs * pairs));
  return std::max({forward, backward, kRowBlock / 2 * kPanel + outputs * kPanel + by_tile});
}

void expert_forward(const BFloat16* x, std::int64_t rows, const BFloat16* weight, std::int64_t outputs,
                    std::int64_t inputs, const BFloat16* bias, std::int64_t first, std::int64_t last, BFloat16* y,
                    float* scratch, Vectors vectors) {
  run_products<Forward, BFloat16>(vectors, x, rows, weight, outputs, inputs, bias, first, last, y, scratch);
}

void expert_backward(const BFloat16* dy, std::int64_t rows, const BFloat16* weight, std::int64_t outputs,
                     std::int64_t inputs, std::int64_t first, std::int64_t last, BFloat16* dx, float* scratch,
                     Vectors vectors) {
  run_products<Backward, BFloat16>(vectors, dy, rows, weight, outputs, inputs, first, last, dx, scratch);
}

void expert_weight_gradient(const BFloat16* dy, std::int64_t dy_row, const BFloat16* x, std::int64_t rows,
                            std::int64_t outputs, std::int64_t inputs, std::int64_t first, std::int64_t last,
                            BFloat16* dw, float* scratch, Vectors vectors) {
  run_products<WeightGradient, BFloat16>(vectors, dy, dy_row, x, rows, outputs, inputs, first, last, dw, scratch);
}

}  // namespace polymoe::kernels
