#include "polymoe/kernels/cpu/cross_entropy.h"

#include <algorithm>
#include <limits>

#include "polymoe/kernels/cpu/product_tile.h"
#include "polymoe/kernels/cpu/vector_math.h"

namespace polymoe::kernels {
namespace {

/// The entries of a block.
struct Block {
  std::int64_t first, count;
};
POLYMOE_INLINE Block block_of(const Entries& entries, std::int64_t block) {
  const std::int64_t first = block * kEntryBlock;
  return {first, std::min(kEntryBlock, entries.count - first)};
}

struct Logits {
  Entries entries;
  Block block;
  const float* packed;
  float* logits;
  float* greatest;

  template <int kLanes, int kVectors>
  POLYMOE_INLINE void run() const {
    const std::int64_t hidden = entries.hidden;
    const float* weight = entries.weight + block.first * hidden;
    float* out = logits + block.first * kPanel;
    // A tile fetches the next one's weights: a line for every kTileRows-th of a row's.
    for_each_tile(
        block.count, [&](std::int64_t row, std::int64_t height) __attribute__((always_inline)) {
          const float* own = weight + row * hidden;
          sum_rows<kLanes, kVectors>({own, hidden, 1, packed, hidden, out + row * kPanel, kPanel, false,
                                      own + std::min(height, block.count - row - 1) * hidden, height},
                                     height);
        });
    std::fill_n(greatest, kPanel, -std::numeric_limits<float>::infinity());
    for (std::int64_t e = 0; e < block.count; ++e) {
      float* row = out + e * kPanel;
      const float bias = entries.bias == nullptr ? 0.0f : entries.bias[block.first + e];
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

struct Gradients {
  Entries entries;
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

    const std::int64_t hidden = entries.hidden;
    const float* by_token = packed + hidden * kPanel;
    for (std::int64_t p = 0; p < panels_of(hidden); ++p) {
      const std::int64_t columns = columns_of(p, hidden);
      float* panel_out = weight_gradient + block.first * hidden + p * kPanel;
      for_each_tile(
          block.count, [&](std::int64_t row, std::int64_t height) __attribute__((always_inline)) {
            float* out = panel_out + row * hidden;
            if (row + height < block.count) fetch_to_write(out + height * hidden, hidden, columns);
            const float* own = gradient + row * kPanel;
            sum_columns<kLanes, kVectors>({own, kPanel, 1, by_token + p * kPanel * kPanel, factors.tokens, out, hidden,
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

struct StatesGradient {
  Entries entries;
  const float* gradient;
  std::int64_t tokens, panel;
  float* to;
  float* scratch;

  template <int kLanes, int kVectors>
  POLYMOE_INLINE void run() const {
    const std::int64_t hidden = entries.hidden, column = panel * kPanel, columns = columns_of(panel, hidden);
    for (std::int64_t e = 0; e < entries.count; e += kBlock) {
      const std::int64_t terms = std::min(kBlock, entries.count - e);
      const float* weight = entries.weight + e * hidden + column;
      copy_panel(weight, hidden, terms, columns, scratch);
      const float* next = e + kBlock < entries.count ? weight + kBlock * hidden : weight;
      for_each_tile(
          tokens, [&](std::int64_t row, std::int64_t height) __attribute__((always_inline)) {
            const std::int64_t line = std::min(row / kTileRows * kLine, columns - 1);
            sum_columns<kLanes, kVectors>({gradient + e * kPanel + row, 1, kPanel, scratch, terms,
                                           to + row * hidden + column, hidden, e > 0, next + line, hidden},
                                          height, columns);
          });
    }
  }
};

}  // namespace

void pack_states(const float* states, std::int64_t tokens, std::int64_t hidden, float* packed) {
  transpose_panel(states, hidden, hidden, tokens, packed);
  float* by_token = packed + hidden * kPanel;
  for (std::int64_t p = 0; p < panels_of(hidden); ++p)
    copy_panel(states + p * kPanel, hidden, tokens, columns_of(p, hidden), by_token + p * kPanel * kPanel);
}

void entry_logits(const Entries& entries, std::int64_t block, const float* packed, float* logits, float* greatest,
                  Vectors vectors) {
  run_kernel(Logits{entries, block_of(entries, block), packed, logits, greatest}, vectors);
}

void entry_sums(const Entries& entries, std::int64_t block, const float* greatest, float* logits, float* exponentials,
                float* differences, Vectors vectors) {
  run_kernel(Sums{block_of(entries, block), greatest, logits, exponentials, differences}, vectors);
}

void entry_gradients(const Entries& entries, std::int64_t block, const float* packed, const TokenFactors& factors,
                     float* logits, bool continues, float* weight_gradient, float* bias_gradient, Vectors vectors) {
  run_kernel(
      Gradients{entries, block_of(entries, block), packed, factors, logits, continues, weight_gradient, bias_gradient},
      vectors);
}

void states_gradient(const Entries& entries, const float* gradient, std::int64_t tokens, std::int64_t panel,
                     float* states_gradient, float* scratch, Vectors vectors) {
  run_kernel(StatesGradient{entries, gradient, tokens, panel, states_gradient, scratch}, vectors);
}

}  // namespace polymoe::kernels
