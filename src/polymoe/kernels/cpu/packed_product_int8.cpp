#include <algorithm>
#include <cstring>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "polymoe/kernels/cpu/packed_product.h"
#include "polymoe/kernels/cpu/packed_product_work.h"
#include "polymoe/kernels/cpu/quantized_row.h"

namespace polymoe::kernels {
namespace {

constexpr std::int64_t kGroupBytes = kGroup * kPanel;  // of a panel, for a group of inputs

// The four values of a row's group as one word.
inline __attribute__((always_inline)) std::int32_t word_at(const std::uint8_t* values) {
  std::int32_t word = 0;
  std::memcpy(&word, values, sizeof word);
  return word;
}

// Whole-number sums to floats, by the scales of rows and outputs.
inline __attribute__((always_inline)) void scale_sums(const std::int32_t* totals, std::int64_t rows,
                                                      const float* row_scales, const float* scales,
                                                      std::int64_t columns, float* sums) {
  for (std::int64_t r = 0; r < rows; ++r) {
    for (std::int64_t c = 0; c < columns; ++c) {
      sums[r * kPanel + c] = static_cast<float>(totals[r * kPanel + c]) * (row_scales[r] * scales[c]);
    }
  }
}

// What the tiles of all kinds of vectors know.
struct QuantizedTile {
  QuantizedRows x;
  QuantizedWeight weight;
  std::int64_t groups;
  std::int64_t outputs;

  const std::uint8_t* row_at(std::int64_t row) const { return x.values + row * groups * kGroup; }
  const std::int8_t* panel_at(std::int64_t panel) const { return weight.packed + panel * groups * kGroupBytes; }
  std::int64_t panel_bytes() const { return groups * kGroupBytes; }
  const char* bytes_at(std::int64_t panel) const { return reinterpret_cast<const char*>(panel_at(panel)); }

  inline __attribute__((always_inline)) void scale(const std::int32_t* totals, std::int64_t rows, std::int64_t row,
                                                   std::int64_t panel, float* sums) const {
    const std::int64_t columns = std::min(kPanel, outputs - panel * kPanel);
    scale_sums(totals, rows, x.scales + row, weight.scales + panel * kPanel, columns, sums);
  }
};

struct PlainTile : QuantizedTile {
  void compute(std::int64_t rows, std::int64_t row, std::int64_t panel, float* sums, const Ahead&) const {
    std::int32_t totals[kTileRows * kPanel];
    for (std::int64_t r = 0; r < rows; ++r) {
      std::int32_t* total = totals + r * kPanel;
      std::memcpy(total, weight.corrections + panel * kPanel, kPanel * sizeof(std::int32_t));
      for (std::int64_t g = 0; g < groups; ++g) {
        const std::uint8_t* values = row_at(row + r) + g * kGroup;
        const std::int8_t* weights = panel_at(panel) + g * kGroupBytes;
        for (std::int64_t c = 0; c < kPanel; ++c) {
          for (std::int64_t i = 0; i < kGroup; ++i) total[c] += values[i] * weights[c * kGroup + i];
        }
      }
    }
    scale(totals, rows, row, panel, sums);
  }
};

void product_plain(const QuantizedTile& tile, std::int64_t rows, std::int64_t first, std::int64_t last,
                   const ProductEnd& end, float* y) {
  for_each_tile(PlainTile{tile}, rows, tile.groups * kGroup, tile.outputs, first, last, end, y);
}

#if defined(__x86_64__)
#define POLYMOE_AVX2 __attribute__((target("arch=x86-64-v3")))
#define POLYMOE_VNNI __attribute__((target("arch=x86-64-v4,avx512vnni")))

// Two products of 16 bits are added before they are: |w| * sign(w) x, with |x| at most 127, cannot overflow that.
template <int kRows, int kVectors>
POLYMOE_AVX2 POLYMOE_INLINE void sum_avx2(const std::uint8_t* x, std::int64_t groups, const std::int8_t* panel,
                                          std::int32_t* totals, const Ahead& ahead) {
  constexpr int kColumns = 8 * kVectors;
  const __m256i offset = _mm256_set1_epi8(static_cast<char>(0x80)), ones = _mm256_set1_epi16(1);
  for (int c = 0; c < kPanel; c += kColumns) {
    const Ahead own = ahead.part(c / kColumns, kPanel / kColumns);
    __m256i sums[kRows][kVectors];
    for (int r = 0; r < kRows; ++r) {
      for (int v = 0; v < kVectors; ++v) sums[r][v] = _mm256_setzero_si256();
    }
    for (std::int64_t g = 0; g < groups; ++g) {
      own.fetch(g, groups);
      __m256i values[kRows];
      for (int r = 0; r < kRows; ++r) {
        values[r] = _mm256_xor_si256(_mm256_set1_epi32(word_at(x + (r * groups + g) * kGroup)), offset);
      }
      for (int v = 0; v < kVectors; ++v) {
        const __m256i weights = _mm256_loadu_si256(
            reinterpret_cast<const __m256i*>(panel + g * kGroupBytes + (c + v * 8) * std::int64_t{kGroup}));
        const __m256i magnitudes = _mm256_abs_epi8(weights);
        for (int r = 0; r < kRows; ++r) {
          const __m256i pairs = _mm256_maddubs_epi16(magnitudes, _mm256_sign_epi8(values[r], weights));
          sums[r][v] = _mm256_add_epi32(sums[r][v], _mm256_madd_epi16(pairs, ones));
        }
      }
    }
    for (int r = 0; r < kRows; ++r) {
      for (int v = 0; v < kVectors; ++v) {
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(totals + r * kPanel + c + v * 8), sums[r][v]);
      }
    }
  }
}

template <int kRows>
POLYMOE_VNNI inline __attribute__((always_inline)) void sum_vnni(const std::uint8_t* x, std::int64_t groups,
                                                                 const std::int8_t* panel,
                                                                 const std::int32_t* corrections,
                                                                 std::int32_t* totals) {
  constexpr int kVectors = kPanel / 16;
  __m512i sums[kRows][kVectors];
  for (int r = 0; r < kRows; ++r) {
    for (int v = 0; v < kVectors; ++v) sums[r][v] = _mm512_loadu_si512(corrections + v * 16);
  }
  for (std::int64_t g = 0; g < groups; ++g) {
    __m512i weights[kVectors];
    for (int v = 0; v < kVectors; ++v) weights[v] = _mm512_loadu_si512(panel + g * kGroupBytes + v * 64);
    for (int r = 0; r < kRows; ++r) {
      const __m512i values = _mm512_set1_epi32(word_at(x + (r * groups + g) * kGroup));
      for (int v = 0; v < kVectors; ++v) sums[r][v] = _mm512_dpbusd_epi32(sums[r][v], values, weights[v]);
    }
  }
  for (int r = 0; r < kRows; ++r) {
    for (int v = 0; v < kVectors; ++v) _mm512_storeu_si512(totals + r * kPanel + v * 16, sums[r][v]);
  }
}

struct Avx2Tile : QuantizedTile {
  POLYMOE_AVX2 void compute(std::int64_t rows, std::int64_t row, std::int64_t panel, float* sums,
                            const Ahead& ahead) const {
    alignas(64) std::int32_t totals[kTileRows * kPanel];
    const std::int64_t stride = groups * kGroup;
    const std::uint8_t* from = row_at(row);
    const std::int8_t* weights = panel_at(panel);
    std::int64_t r = 0;
    for (; r + 3 <= rows; r += 3) sum_avx2<3, 2>(from + r * stride, groups, weights, totals + r * kPanel, ahead);
    for (; r < rows; ++r) sum_avx2<1, 8>(from + r * stride, groups, weights, totals + r * kPanel, ahead);
    scale(totals, rows, row, panel, sums);
  }
};

struct VnniTile : QuantizedTile {
  POLYMOE_VNNI void compute(std::int64_t rows, std::int64_t row, std::int64_t panel, float* sums, const Ahead&) const {
    alignas(64) std::int32_t totals[kTileRows * kPanel];
    const std::uint8_t* from = row_at(row);
    const std::int8_t* weights = panel_at(panel);
    const std::int32_t* corrections = weight.corrections + panel * kPanel;
    switch (rows) {
      case 1:
        sum_vnni<1>(from, groups, weights, corrections, totals);
        break;
      case 2:
        sum_vnni<2>(from, groups, weights, corrections, totals);
        break;
      case 3:
        sum_vnni<3>(from, groups, weights, corrections, totals);
        break;
      case 4:
        sum_vnni<4>(from, groups, weights, corrections, totals);
        break;
      case 5:
        sum_vnni<5>(from, groups, weights, corrections, totals);
        break;
      default:
        sum_vnni<6>(from, groups, weights, corrections, totals);
        break;
    }
    scale(totals, rows, row, panel, sums);
  }
};

POLYMOE_AVX2 void product_avx2(const QuantizedTile& tile, std::int64_t rows, std::int64_t first, std::int64_t last,
                               const ProductEnd& end, float* y) {
  for_each_tile(Avx2Tile{tile}, rows, tile.groups * kGroup, tile.outputs, first, last, end, y);
}

POLYMOE_VNNI void product_vnni(const QuantizedTile& tile, std::int64_t rows, std::int64_t first, std::int64_t last,
                               const ProductEnd& end, float* y) {
  for_each_tile(VnniTile{tile}, rows, tile.groups * kGroup, tile.outputs, first, last, end, y);
}
#endif

struct QuantizeRows {
  const float* x;
  std::int64_t rows, inputs;
  std::uint8_t* values;
  float* scales;

  template <int kLanes, int kVectors>
  POLYMOE_INLINE void run() const {
    const std::int64_t width = groups_of(inputs) * kGroup;
    for (std::int64_t r = 0; r < rows; ++r) {
      std::uint8_t* to = values + r * width;
      scales[r] = quantize_row<kLanes>(x + r * inputs, inputs, 128, to);
      std::fill(to + inputs, to + width, std::uint8_t{128});
    }
  }
};

}  // namespace

void quantize_rows(const float* x, std::int64_t rows, std::int64_t inputs, std::uint8_t* values, float* scales) {
  run_kernel(QuantizeRows{x, rows, inputs, values, scales}, best_vectors());
}

void pack_weight(const std::int8_t* values, std::int64_t outputs, std::int64_t inputs, std::int8_t* packed,
                 std::int32_t* corrections) {
  const std::int64_t groups = groups_of(inputs);
  std::fill(packed, packed + panels_of(outputs) * groups * kGroupBytes, std::int8_t{0});
  std::fill(corrections, corrections + panels_of(outputs) * kPanel, 0);
  for (std::int64_t o = 0; o < outputs; ++o) {
    std::int8_t* to = packed + o / kPanel * groups * kGroupBytes + o % kPanel * kGroup;
    for (std::int64_t i = 0; i < inputs; ++i) {
      const std::int8_t value = values[o * inputs + i];
      to[i / kGroup * kGroupBytes + i % kGroup] = value;
      corrections[o] -= 128 * value;
    }
  }
}

void packed_product(const QuantizedRows& x, std::int64_t rows, const QuantizedWeight& weight, std::int64_t inputs,
                    std::int64_t outputs, std::int64_t first, std::int64_t last, const ProductEnd& end, float* y,
                    Vectors vectors) {
  const QuantizedTile tile{x, weight, groups_of(inputs), outputs};
#if defined(__x86_64__)
  if (vectors == Vectors::kAvx512Vnni) return product_vnni(tile, rows, first, last, end, y);
  if (vectors >= Vectors::kAvx2) return product_avx2(tile, rows, first, last, end, y);
#endif
  product_plain(tile, rows, first, last, end, y);
}

}  // namespace polymoe::kernels
