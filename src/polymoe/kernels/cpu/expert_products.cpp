#include "polymoe/kernels/cpu/expert_products.h"

#include <algorithm>
#include <bit>
#include <type_traits>

#include "polymoe/kernels/cpu/pair_terms.h"

namespace polymoe::kernels {
namespace {

/// Terms that a backward product or a weight gradient sums at a time, in words: a panel of so many is 64 KB.
constexpr std::int64_t kBlockWords = 512;
template <typename Element>
constexpr std::int64_t block_terms() {
  return kBlockWords * kTermsOfWord<Element>;
}

/// Words of dy that a weight gradient lays out at a time, 1 MB.
constexpr std::int64_t kLaidOutWords = std::int64_t{1} << 18;

/// Words of a column in the first block of a weight gradient's rows.
template <typename Element>
std::int64_t block_words(std::int64_t rows) {
  return words_for<Element>(std::min(rows, block_terms<Element>()));
}

/// Outputs whose columns are laid out with it.
template <typename Element>
std::int64_t block_outputs(std::int64_t rows, std::int64_t outputs) {
  return std::min(outputs, kLaidOutWords / block_words<Element>(rows));
}

/// Room for these, never less for more rows.
template <typename Element>
std::int64_t laid_out_words(std::int64_t rows, std::int64_t outputs) {
  return std::min(kLaidOutWords, outputs * block_words<Element>(rows));
}

/// out[r, c] = a tile's sums, plus bias[c] where it is not null; the tile says all but its place. Those of bfloat16 are
/// rounded once, here: where `is_last` is false they stay in `sums` [rows, kPanel], from which a tile then continues.
template <int kLanes, int kVectors, typename Terms>
POLYMOE_INLINE void sum_elements(Tile tile, std::int64_t rows, std::int64_t columns,
                                 const typename Terms::Element* bias, typename Terms::Element* out,
                                 std::int64_t out_row, float* sums = nullptr, bool is_last = true) {
  if constexpr (std::is_same_v<typename Terms::Element, float>) {
    tile.out = out;
    tile.out_row = out_row;
    sum_columns<kLanes, kVectors, Terms>(tile, rows, columns);
    if (bias == nullptr) return;
    for (std::int64_t r = 0; r < rows; ++r) {
      for (std::int64_t c = 0; c < columns; ++c) out[r * out_row + c] += bias[c];
    }
  } else {
    alignas(64) float own[kTileRows * kPanel];
    tile.out = sums != nullptr ? sums : own;
    tile.out_row = kPanel;
    sum_rows<kLanes, kVectors, Terms>(tile, rows);
    if (!is_last) return;
    for (std::int64_t r = 0; r < rows; ++r) Terms::round(tile.out + r * kPanel, columns, bias, out + r * out_row);
  }
}

// The products, each for any kind of terms and vectors.

template <typename Terms>
struct Forward {
  using Element = typename Terms::Element;
  const Element* x;
  std::int64_t rows;
  const Element* weight;
  std::int64_t outputs, inputs;
  const Element* bias;
  std::int64_t first, last;
  Element* y;
  float* scratch;

  template <int kLanes, int kVectors>
  POLYMOE_INLINE void run() const {
    const std::int64_t words = words_for<Element>(inputs);
    for (std::int64_t p = first; p < last; ++p) {
      const std::int64_t column = p * kPanel, columns = columns_of(p, outputs);
      transpose_panel(words_of(weight) + column * words, words, words, columns, scratch);
      const float* next = words_of(weight) + std::min(column + kPanel, outputs - columns) * words;
      for_each_tile(
          rows, [&](std::int64_t row, std::int64_t height) __attribute__((always_inline)) {
            // Each tile fetches its share of the next panel.
            const float* ahead = next + columns * words * row / rows;
            sum_elements<kLanes, kVectors, Terms>({words_of(x) + row * words, words, 1, scratch, words, nullptr, 0,
                                                   false, ahead, columns * height / rows},
                                                  height, columns, bias == nullptr ? nullptr : bias + column,
                                                  y + row * outputs + column, outputs);
          });
    }
  }
};

template <typename Terms>
struct Backward {
  using Element = typename Terms::Element;
  const Element* dy;
  std::int64_t rows;
  const Element* weight;
  std::int64_t outputs, inputs;
  std::int64_t first, last;
  Element* dx;
  float* scratch;

  template <int kLanes, int kVectors>
  POLYMOE_INLINE void run() const {
    const std::int64_t row_words = words_for<Element>(outputs);
    float* sums = scratch + kBlockWords * kPanel;
    for (std::int64_t p = first; p < last; ++p) {
      const std::int64_t column = p * kPanel, columns = columns_of(p, inputs);
      for (std::int64_t o = 0; o < outputs; o += block_terms<Element>()) {
        const std::int64_t some = std::min(block_terms<Element>(), outputs - o), words = words_for<Element>(some);
        const bool is_last = o + some == outputs;
        lay_out_rows(weight + o * inputs + column, inputs, some, columns, scratch);
        // The next block lies below this one, or on top of the next panel.
        const Element* next =
            weight + (is_last ? 0 : (o + some) * inputs) + column + (is_last && p + 1 < last ? kPanel : 0);
        for_each_tile(
            rows, [&](std::int64_t row, std::int64_t height) __attribute__((always_inline)) {
              // A word's terms come from four cache lines or fewer; every tile fetches one of the next block's.
              constexpr std::int64_t kLinesOfTerm = 4 / kTermsOfWord<Element>;
              const std::int64_t line = row / kTileRows % 4;
              const float* ahead = words_of(next + line / kLinesOfTerm * inputs) +
                                   std::min(line % kLinesOfTerm * kLine, columns / kTermsOfWord<Element> - 1);
              sum_elements<kLanes, kVectors, Terms>({words_of(dy) + row * row_words + o / kTermsOfWord<Element>,
                                                     row_words, 1, scratch, words, nullptr, 0, o > 0, ahead, inputs},
                                                    height, columns, nullptr, dx + row * inputs + column, inputs,
                                                    sums + row * kPanel, is_last);
            });
      }
    }
  }
};

/// to[i, c] = rows[i, c] of a tile's columns, as words: see lay_out_rows(). `can_read_eight`: eight columns lie in
/// memory.
POLYMOE_INLINE void lay_out_columns(const float* rows, std::int64_t row, std::int64_t count, std::int64_t columns,
                                    bool /*can_read_eight*/, float* to) {
  if (columns == kTileRows) {
    // Compilers move a count that they know best.
    for (std::int64_t r = 0; r < count; ++r) std::copy_n(rows + r * row, kTileRows, to + r * kTileRows);
  } else {
    for (std::int64_t r = 0; r < count; ++r) std::copy_n(rows + r * row, columns, to + r * columns);
  }
}
POLYMOE_INLINE void lay_out_columns(const BFloat16* rows, std::int64_t row, std::int64_t count, std::int64_t columns,
                                    bool can_read_eight, float* to) {
  using L = Lanes<8>;
  for (std::int64_t i = 0; i < count; i += 2, rows += 2 * row, to += columns) {
    if (can_read_eight && columns >= 4 && i + 3 < count) {
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
  using Element = typename Terms::Element;
  const Element* dy;
  std::int64_t dy_row;
  const Element* x;
  std::int64_t rows, outputs, inputs;
  std::int64_t first, last;
  Element* dw;
  float* scratch;

  template <int kLanes, int kVectors>
  POLYMOE_INLINE void run() const {
    if (rows == 0) return;
    const std::int64_t block = block_outputs<Element>(rows, outputs);
    for (std::int64_t o = 0; o < outputs; o += block) {
      for (std::int64_t r = 0; r < rows; r += block_terms<Element>())
        add_up<kLanes, kVectors>(o, std::min(block, outputs - o), r, std::min(block_terms<Element>(), rows - r));
    }
  }

  /// Adds rows [first_row, first_row + count) to the gradients of the outputs [first_output, first_output + some).
  template <int kLanes, int kVectors>
  POLYMOE_INLINE void add_up(std::int64_t first_output, std::int64_t some, std::int64_t first_row,
                             std::int64_t count) const {
    constexpr bool kIsFloat = std::is_same_v<Element, float>;
    const std::int64_t words = words_for<Element>(count);
    float* panel = scratch;
    // Of dy: the outputs of a tile beside each other, word after word.
    float* by_tile = panel + kPanel * block_words<Element>(rows);
    float* sums = by_tile + laid_out_words<Element>(rows, outputs);
    // A few rows from end to end, so that the CPU foresees what is read.
    constexpr std::int64_t kSomeRows = 16;
    for (std::int64_t r = 0; r < count; r += kSomeRows) {
      const Element* from = dy + (first_row + r) * dy_row + first_output;
      for_each_tile(
          some, [&](std::int64_t o, std::int64_t height) __attribute__((always_inline)) {
            lay_out_columns(from + o, dy_row, std::min(kSomeRows, count - r), height, o + 8 <= some,
                            by_tile + o * words + r / kTermsOfWord<Element> * height);
          });
    }
    const bool in_blocks = count < rows, is_last = first_row + count == rows;
    for (std::int64_t p = first; p < last; ++p) {
      const std::int64_t column = p * kPanel, columns = columns_of(p, inputs);
      lay_out_rows(x + first_row * inputs + column, inputs, count, columns, panel);
      for_each_tile(
          some, [&](std::int64_t o, std::int64_t height) __attribute__((always_inline)) {
            const float* own = by_tile + o * words;
            Element* out = dw + (first_output + o) * inputs + column;
            if ((kIsFloat || is_last) && o + height < some)
              fetch_to_write(words_of(out + height * inputs), words_for<Element>(inputs), words_for<Element>(columns));
            sum_elements<kLanes, kVectors, Terms>(
                {own, 1, height, panel, words, nullptr, 0, first_row > 0, own + height * words, height}, height,
                columns, nullptr, out, inputs, in_blocks ? sums + ((p - first) * some + o) * kPanel : nullptr, is_last);
          });
    }
  }
};

}  // namespace

template <typename Element>
std::int64_t expert_scratch(std::int64_t rows, std::int64_t outputs, std::int64_t inputs) {
  const std::int64_t of_forward = kPanel * words_for<Element>(inputs);
  std::int64_t of_backward = kPanel * kBlockWords;
  std::int64_t of_gradient = kPanel * block_words<Element>(rows) + laid_out_words<Element>(rows, outputs);
  if constexpr (!std::is_same_v<Element, float>) {  // sums before they are rounded
    of_backward += kPanel * rows;
    if (rows > block_terms<Element>())
      of_gradient += block_outputs<Element>(rows, outputs) * panels_of(inputs) * kPanel;
  }
  return std::max({of_forward, of_backward, of_gradient});
}

template <typename Element>
void expert_forward(const Element* x, std::int64_t rows, const Element* weight, std::int64_t outputs,
                    std::int64_t inputs, const Element* bias, std::int64_t first, std::int64_t last, Element* y,
                    float* scratch, Vectors vectors) {
  run_products<Forward, Element>(vectors, x, rows, weight, outputs, inputs, bias, first, last, y, scratch);
}

template <typename Element>
void expert_backward(const Element* dy, std::int64_t rows, const Element* weight, std::int64_t outputs,
                     std::int64_t inputs, std::int64_t first, std::int64_t last, Element* dx, float* scratch,
                     Vectors vectors) {
  run_products<Backward, Element>(vectors, dy, rows, weight, outputs, inputs, first, last, dx, scratch);
}

template <typename Element>
void expert_weight_gradient(const Element* dy, std::int64_t dy_row, const Element* x, std::int64_t rows,
                            std::int64_t outputs, std::int64_t inputs, std::int64_t first, std::int64_t last,
                            Element* dw, float* scratch, Vectors vectors) {
  run_products<WeightGradient, Element>(vectors, dy, dy_row, x, rows, outputs, inputs, first, last, dw, scratch);
}

// NOLINTBEGIN(bugprone-macro-parentheses): a type cannot stand in them.
#define POLYMOE_EXPERT_PRODUCTS(Element)                                                                         \
  template std::int64_t expert_scratch<Element>(std::int64_t, std::int64_t, std::int64_t);                       \
  template void expert_forward(const Element*, std::int64_t, const Element*, std::int64_t, std::int64_t,         \
                               const Element*, std::int64_t, std::int64_t, Element*, float*, Vectors);           \
  template void expert_backward(const Element*, std::int64_t, const Element*, std::int64_t, std::int64_t,        \
                                std::int64_t, std::int64_t, Element*, float*, Vectors);                          \
  template void expert_weight_gradient(const Element*, std::int64_t, const Element*, std::int64_t, std::int64_t, \
                                       std::int64_t, std::int64_t, std::int64_t, Element*, float*, Vectors);
POLYMOE_EXPERT_PRODUCTS(float)
POLYMOE_EXPERT_PRODUCTS(BFloat16)
#undef POLYMOE_EXPERT_PRODUCTS
// NOLINTEND(bugprone-macro-parentheses)

}  // namespace polymoe::kernels
