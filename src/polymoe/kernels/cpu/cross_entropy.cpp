#include "polymoe/kernels/cpu/cross_entropy.h"

#include <algorithm>
#include <bit>
#include <limits>
#include <type_traits>

#include "polymoe/kernels/cpu/pair_terms.h"
#include "polymoe/kernels/cpu/vector_math.h"

namespace polymoe::kernels {
namespace {

/// The entries of a block.
struct Block {
  std::int64_t first, count;
};
POLYMOE_INLINE Block block_of(std::int64_t entries, std::int64_t block) {
  const std::int64_t first = block * kEntryBlock;
  return {first, std::min(kEntryBlock, entries - first)};
}

template <typename Terms>
struct Logits {
  Entries<typename Terms::Element> entries;
  Block block;
  const float* packed;
  float* logits;
  float* greatest;

  template <int kLanes, int kVectors>
  POLYMOE_INLINE void run() const {
    const std::int64_t words = words_for<typename Terms::Element>(entries.hidden);
    const float* weight = words_of(entries.weight) + block.first * words;
    float* out = logits + block.first * kPanel;
    // A tile fetches the next one's weights: a line for every kTileRows-th of a row's.
    for_each_tile(
        block.count, [&](std::int64_t row, std::int64_t height) __attribute__((always_inline)) {
          const float* own = weight + row * words;
          sum_rows<kLanes, kVectors, Terms>({own, words, 1, packed, words, out + row * kPanel, kPanel, false,
                                             own + std::min(height, block.count - row - 1) * words, height},
                                            height);
        });
    std::fill_n(greatest, kPanel, -std::numeric_limits<float>::infinity());
    for (std::int64_t e = 0; e < block.count; ++e) {
      float* row = out + e * kPanel;
      const float bias = entries.bias == nullptr ? 0.0f : to_float(entries.bias[block.first + e]);
      for (std::int64_t t = 0; t < kPanel; ++t) {
        row[t] += bias;
        greatest[t] = row[t] > greatest[t] ? row[t] : greatest[t];
      }
    }
  }
};

struct Sums {
  Block block;
  const float* greatest;
  float* logits;
  float* exponentials;
  float* differences;

  template <int kLanes, int kVectors>
  POLYMOE_INLINE void run() const {
    constexpr std::int64_t kSome = 16;  // tokens, whose sums stay in registers
    for (std::int64_t begin = 0; begin < kPanel; begin += kSome) {
      float highest[kSome], exponential[kSome] = {}, difference[kSome] = {};
      std::copy_n(greatest + begin, kSome, highest);
      float* row = logits + block.first * kPanel + begin;
      for (std::int64_t e = 0; e < block.count; ++e, row += kPanel) {
        for (std::int64_t t = 0; t < kSome; ++t) {
          const float below = row[t] - highest[t], power = vector_exp(below);
          difference[t] += below;
          exponential[t] += power;
          row[t] = power;
        }
      }
      std::copy_n(exponential, kSome, exponentials + begin);
      std::copy_n(difference, kSome, differences + begin);
    }
  }
};

/// Tokens whose gradients lie in a row of pairs: see round_gradients().
constexpr std::int64_t kHalf = kPanel / 2;

/// The gradients of a block rounded, in place, for both products that follow: the first half of a row has an entry's
/// pairs of tokens, the second halves of two rows have pairs of both entries, for half of the tokens each.
template <typename Terms>
POLYMOE_INLINE void round_gradients(float* gradient, std::int64_t entries) {
  for (std::int64_t e = 0; e < entries; e += 2, gradient += 2 * kPanel) {
    alignas(64) BFloat16 rounded[2][kPanel] = {};
    for (std::int64_t i = 0; i < std::min<std::int64_t>(2, entries - e); ++i)
      Terms::round(gradient + i * kPanel, kPanel, nullptr, rounded[i]);
    for (std::int64_t i = 0; i < 2; ++i) {
      float* row = gradient + i * kPanel;
      std::copy_n(words_of(rounded[i]), kHalf, row);
      for (std::int64_t t = 0; t < kHalf; ++t) {
        const std::uint32_t lower = rounded[0][i * kHalf + t].bits, upper = rounded[1][i * kHalf + t].bits;
        row[kHalf + t] = std::bit_cast<float>(lower | upper << 16);
      }
    }
  }
}

template <typename Terms>
struct Gradients {
  Entries<typename Terms::Element> entries;
  Block block;
  const float* packed;
  TokenFactors factors;
  float* logits;
  bool continues;
  float* weight_gradient;
  float* bias_gradient;

  template <int kLanes, int kVectors>
  POLYMOE_INLINE void run() const {
    float* gradient = logits + block.first * kPanel;
    for (std::int64_t e = 0; e < block.count; ++e) {
      float* row = gradient + e * kPanel;
      for (std::int64_t t = 0; t < kPanel; ++t) row[t] = row[t] * factors.scale[t] - factors.offset[t];
    }
    for (std::int64_t t = 0; t < factors.tokens; ++t) {
      const std::int64_t label = factors.labels[t] - block.first;
      if (label >= 0 && label < block.count) gradient[label * kPanel + t] -= factors.label_share;
    }
    if (bias_gradient != nullptr) sum_tokens(gradient, bias_gradient + block.first);

    using Element = typename Terms::Element;
    if constexpr (!std::is_same_v<Element, float>) {
      // The last token's pair: places without a token may hold what is no number.
      for (std::int64_t e = 0; e < block.count && factors.tokens % 2 == 1; ++e)
        gradient[e * kPanel + factors.tokens] = 0.0f;
      round_gradients<Terms>(gradient, block.count);
    }
    const std::int64_t hidden = entries.hidden, words = words_for<Element>(factors.tokens);
    const float* by_token = packed + words_for<Element>(hidden) * kPanel;
    for (std::int64_t p = 0; p < panels_of(hidden); ++p) {
      const std::int64_t columns = columns_of(p, hidden);
      float* panel_out = weight_gradient + block.first * hidden + p * kPanel;
      for_each_tile(
          block.count, [&](std::int64_t row, std::int64_t height) __attribute__((always_inline)) {
            float* out = panel_out + row * hidden;
            if (row + height < block.count) fetch_to_write(out + height * hidden, hidden, columns);
            const float* own = gradient + row * kPanel;
            sum_columns<kLanes, kVectors, Terms>({own, kPanel, 1, by_token + p * kPanel * kPanel, words, out, hidden,
                                                  continues, own + height * kPanel, height},
                                                 height, columns);
          });
    }
  }

  POLYMOE_INLINE void sum_tokens(const float* gradient, float* sums) const {
    for (std::int64_t e = 0; e < block.count; ++e) {
      float sum = continues ? sums[e] : 0.0f;
      for (std::int64_t t = 0; t < factors.tokens; ++t) sum += gradient[e * kPanel + t];
      sums[e] = sum;
    }
  }
};

template <typename Terms>
struct StatesGradient {
  using Element = typename Terms::Element;
  Entries<Element> entries;
  const float* gradient;
  std::int64_t tokens, panel;
  Element* to;
  float* scratch;

  template <int kLanes, int kVectors>
  POLYMOE_INLINE void run() const {
    const std::int64_t hidden = entries.hidden, column = panel * kPanel, columns = columns_of(panel, hidden);
    if constexpr (std::is_same_v<Element, float>) {
      add_up<kLanes, kVectors>(to + column, hidden);
    } else {
      float* sums = scratch + kPanel * kPanel;
      add_up<kLanes, kVectors>(sums, kPanel);
      for (std::int64_t t = 0; t < tokens; ++t)
        Terms::round(sums + t * kPanel, columns, nullptr, to + t * hidden + column);
    }
  }

  template <int kLanes, int kVectors>
  POLYMOE_INLINE void add_up(float* out, std::int64_t out_row) const {
    constexpr bool kIsFloat = std::is_same_v<Element, float>;
    constexpr std::int64_t kEntries = kBlock * kTermsOfWord<Element>, kTokens = kIsFloat ? kPanel : kHalf;
    const std::int64_t hidden = entries.hidden, column = panel * kPanel, columns = columns_of(panel, hidden);
    for (std::int64_t e = 0; e < entries.count; e += kEntries) {
      const std::int64_t some = std::min(kEntries, entries.count - e), words = words_for<Element>(some);
      const Element* weight = entries.weight + e * hidden + column;
      lay_out_rows(weight, hidden, some, columns, scratch);
      const float* next = words_of(e + kEntries < entries.count ? weight + kEntries * hidden : weight);
      for (std::int64_t first = 0; first < tokens; first += kTokens) {
        // See round_gradients().
        const float* own = gradient + e * kPanel + (kIsFloat ? 0 : kHalf + first / kHalf * kPanel);
        for_each_tile(
            std::min(kTokens, tokens - first), [&](std::int64_t row,
                                                   std::int64_t height) __attribute__((always_inline)) {
              const std::int64_t line = std::min(row / kTileRows * kLine, columns - 1) / kTermsOfWord<Element>;
              sum_columns<kLanes, kVectors, Terms>({own + row, 1, kTermsOfWord<Element> * kPanel, scratch, words,
                                                    out + (first + row) * out_row, out_row, e > 0, next + line, hidden},
                                                   height, columns);
            });
      }
    }
  }
};

}  // namespace

template <typename Element>
void pack_states(const Element* states, std::int64_t tokens, std::int64_t hidden, float* packed) {
  const std::int64_t words = words_for<Element>(hidden);
  transpose_panel(words_of(states), words, words, tokens, packed);
  float* by_token = packed + words * kPanel;
  for (std::int64_t p = 0; p < panels_of(hidden); ++p)
    lay_out_rows(states + p * kPanel, hidden, tokens, columns_of(p, hidden), by_token + p * kPanel * kPanel);
}

template <typename Element>
void entry_logits(const Entries<Element>& entries, std::int64_t block, const float* packed, float* logits,
                  float* greatest, Vectors vectors) {
  run_products<Logits, Element>(vectors, entries, block_of(entries.count, block), packed, logits, greatest);
}

void entry_sums(std::int64_t entries, std::int64_t block, const float* greatest, float* logits, float* exponentials,
                float* differences, Vectors vectors) {
  run_kernel(Sums{block_of(entries, block), greatest, logits, exponentials, differences}, vectors);
}

template <typename Element>
void entry_gradients(const Entries<Element>& entries, std::int64_t block, const float* packed,
                     const TokenFactors& factors, float* logits, bool continues, float* weight_gradient,
                     float* bias_gradient, Vectors vectors) {
  run_products<Gradients, Element>(vectors, entries, block_of(entries.count, block), packed, factors, logits, continues,
                                   weight_gradient, bias_gradient);
}

template <typename Element>
void states_gradient(const Entries<Element>& entries, const float* gradient, std::int64_t tokens, std::int64_t panel,
                     Element* states_gradient, float* scratch, Vectors vectors) {
  run_products<StatesGradient, Element>(vectors, entries, gradient, tokens, panel, states_gradient, scratch);
}

// NOLINTBEGIN(bugprone-macro-parentheses): a type cannot stand in them.
#define POLYMOE_CROSS_ENTROPY(Element)                                                                               \
  template void pack_states(const Element*, std::int64_t, std::int64_t, float*);                                     \
  template void entry_logits(const Entries<Element>&, std::int64_t, const float*, float*, float*, Vectors);          \
  template void entry_gradients(const Entries<Element>&, std::int64_t, const float*, const TokenFactors&, float*,    \
                                bool, float*, float*, Vectors);                                                      \
  template void states_gradient(const Entries<Element>&, const float*, std::int64_t, std::int64_t, Element*, float*, \
                                Vectors);
POLYMOE_CROSS_ENTROPY(float)
POLYMOE_CROSS_ENTROPY(BFloat16)
#undef POLYMOE_CROSS_ENTROPY
// NOLINTEND(bugprone-macro-parentheses)

}  // namespace polymoe::kernels
