#include <algorithm>
#include <cstring>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "polymoe/kernels/cpu/packed_product.h"
#include "polymoe/kernels/cpu/packed_product_work.h"
#include "polymoe/kernels/cpu/quantized_row.h"
#include "polymoe/kernels/cpu/vectors.h"

namespace polymoe::kernels {
namespace {

// Of a panel: the weights of two groups of inputs, the first in the lower halves of the bytes.
constexpr std::int64_t kPairBytes = kGroup * kPanel;
constexpr std::int64_t kPairs = kScaleGroup / (2 * kGroup);  // that share a scale
constexpr std::int64_t kScaleGroupBytes = kPairs * kPairBytes;
constexpr int kZero = 8;  // the value that stands for 0

// What the tiles of all kinds of vectors know. Weights go into products as they are stored, from 0 to 15: what that
// adds to a group's sum depends on the row alone, and is where the sum begins (GroupedRows::corrections).
struct GroupedTile {
  GroupedRows x;
  GroupedWeight weight;
  std::int64_t groups;  // with scales of their own

  const std::int8_t* row_at(std::int64_t row) const { return x.values + row * groups * kScaleGroup; }
  const std::uint8_t* panel_at(std::int64_t panel) const { return weight.packed + panel * groups * kScaleGroupBytes; }
  std::int64_t panel_bytes() const { return groups * kScaleGroupBytes; }
  const char* bytes_at(std::int64_t panel) const { return reinterpret_cast<const char*>(panel_at(panel)); }
  const BFloat16* scales_at(std::int64_t panel) const { return weight.scales + panel * groups * kPanel; }
};

struct PlainTile : GroupedTile {
  void compute(std::int64_t rows, std::int64_t row, std::int64_t panel, float* sums, const Ahead&) const {
    for (std::int64_t r = 0; r < rows; ++r) {
      float* total = sums + r * kPanel;
      std::fill(total, total + kPanel, 0.0f);
      for (std::int64_t g = 0; g < groups; ++g) {
        for (std::int64_t c = 0; c < kPanel; ++c) {
          const float sum = static_cast<float>(group_sum(row + r, panel, g, c));
          total[c] += sum * to_float(scales_at(panel)[g * kPanel + c]);
        }
      }
      for (std::int64_t c = 0; c < kPanel; ++c) total[c] *= x.scales[row + r];
    }
  }

 private:
  std::int32_t group_sum(std::int64_t row, std::int64_t panel, std::int64_t group, std::int64_t column) const {
    std::int32_t sum = x.corrections[row * groups + group];
    const std::int8_t* values = row_at(row) + group * kScaleGroup;
    const std::uint8_t* weights = panel_at(panel) + group * kScaleGroupBytes + column * kGroup;
    for (std::int64_t pair = 0; pair < kPairs; ++pair, values += 2 * kGroup, weights += kPairBytes) {
      for (std::int64_t i = 0; i < kGroup; ++i) {
        sum += values[i] * (weights[i] & 15) + values[kGroup + i] * (weights[i] >> 4);
      }
    }
    return sum;
  }
};

void product_plain(const GroupedTile& tile, std::int64_t rows, std::int64_t outputs, std::int64_t first,
                   std::int64_t last, const ProductEnd& end, float* y) {
  for_each_tile(PlainTile{tile}, rows, tile.groups * kScaleGroup, outputs, first, last, end, y);
}

#if defined(__x86_64__)
inline __attribute__((always_inline)) std::int32_t word_at(const std::int8_t* values) {
  std::int32_t word = 0;
  std::memcpy(&word, values, sizeof word);
  return word;
}

struct Avx2Tile : GroupedTile {
  POLYMOE_AVX2 void compute(std::int64_t rows, std::int64_t row, std::int64_t panel, float* sums, const Ahead&) const {
    std::int64_t r = 0;
    for (; r + 3 <= rows; r += 3) sum<3>(row + r, panel, sums + r * kPanel);
    for (; r < rows; ++r) sum<1>(row + r, panel, sums + r * kPanel);
  }

 private:
  template <int kRows>
  POLYMOE_AVX2 inline __attribute__((always_inline)) void sum(std::int64_t row, std::int64_t panel, float* sums) const {
    const __m256i low = _mm256_set1_epi8(15), ones = _mm256_set1_epi16(1);
    const std::int8_t* values = row_at(row);
    const std::int64_t stride = groups * kScaleGroup;
    for (int c = 0; c < kPanel; c += 8) {
      __m256 totals[kRows];
      for (int r = 0; r < kRows; ++r) totals[r] = _mm256_setzero_ps();
      for (std::int64_t g = 0; g < groups; ++g) {
        // Sums of 16 bits hold 16 products of at most 15 * 127.
        static_assert(kScaleGroup / 2 * 15 * 127 < 32768);
        __m256i halves[kRows];
        for (int r = 0; r < kRows; ++r) halves[r] = _mm256_setzero_si256();
        const std::uint8_t* weights = panel_at(panel) + g * kScaleGroupBytes + c * kGroup;
        for (std::int64_t pair = 0; pair < kPairs; ++pair, weights += kPairBytes) {
          const __m256i both = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(weights));
          const __m256i first = _mm256_and_si256(both, low);
          const __m256i second = _mm256_and_si256(_mm256_srli_epi16(both, 4), low);
          for (int r = 0; r < kRows; ++r) {
            const std::int8_t* from = values + r * stride + g * kScaleGroup + pair * 2 * kGroup;
            halves[r] = _mm256_add_epi16(halves[r], _mm256_maddubs_epi16(first, _mm256_set1_epi32(word_at(from))));
            halves[r] =
                _mm256_add_epi16(halves[r], _mm256_maddubs_epi16(second, _mm256_set1_epi32(word_at(from + kGroup))));
          }
        }
        const __m128i scale_bits = _mm_loadu_si128(reinterpret_cast<const __m128i*>(scales_at(panel) + g * kPanel + c));
        const __m256 scale = _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(scale_bits), 16));
        for (int r = 0; r < kRows; ++r) {
          const __m256i sum = _mm256_add_epi32(_mm256_madd_epi16(halves[r], ones),
                                               _mm256_set1_epi32(x.corrections[(row + r) * groups + g]));
          totals[r] = _mm256_fmadd_ps(_mm256_cvtepi32_ps(sum), scale, totals[r]);
        }
      }
      for (int r = 0; r < kRows; ++r) {
        _mm256_storeu_ps(sums + r * kPanel + c, _mm256_mul_ps(totals[r], _mm256_set1_ps(x.scales[row + r])));
      }
    }
  }
};

struct VnniTile : GroupedTile {
  POLYMOE_VNNI void compute(std::int64_t rows, std::int64_t row, std::int64_t panel, float* sums, const Ahead&) const {
    switch (rows) {
      case 1:
        return sum<1>(row, panel, sums);
      case 2:
        return sum<2>(row, panel, sums);
      case 3:
        return sum<3>(row, panel, sums);
      case 4:
        return sum<4>(row, panel, sums);
      case 5:
        return sum<5>(row, panel, sums);
      default:
        return sum<6>(row, panel, sums);
    }
  }

 private:
  // Two vectors at a time: their whole sums, float sums and weights stay in registers for six rows.
  template <int kRows>
  POLYMOE_VNNI inline __attribute__((always_inline)) void sum(std::int64_t row, std::int64_t panel, float* sums) const {
    constexpr int kVectors = 2;
    constexpr __mmask16 kAll = 0xFFFF;  // GCC 12 warns of the functions without a mask
    const __m512i low = _mm512_set1_epi8(15);
    const std::int8_t* values = row_at(row);
    const std::int64_t stride = groups * kScaleGroup;
    for (int c = 0; c < kPanel; c += 16 * kVectors) {
      __m512 totals[kRows][kVectors];
      for (int r = 0; r < kRows; ++r) {
        for (int v = 0; v < kVectors; ++v) totals[r][v] = _mm512_setzero_ps();
      }
      for (std::int64_t g = 0; g < groups; ++g) {
        __m512i group[kRows][kVectors];
        for (int r = 0; r < kRows; ++r) {
          for (int v = 0; v < kVectors; ++v) group[r][v] = _mm512_set1_epi32(x.corrections[(row + r) * groups + g]);
        }
        const std::uint8_t* weights = panel_at(panel) + g * kScaleGroupBytes + c * kGroup;
        for (std::int64_t pair = 0; pair < kPairs; ++pair, weights += kPairBytes) {
          __m512i first[kVectors], second[kVectors];
          for (int v = 0; v < kVectors; ++v) {
            const __m512i both = _mm512_loadu_si512(weights + v * 64);
            first[v] = _mm512_and_si512(both, low);
            second[v] = _mm512_and_si512(_mm512_srli_epi16(both, 4), low);
          }
          for (int r = 0; r < kRows; ++r) {
            const std::int8_t* from = values + r * stride + g * kScaleGroup + pair * 2 * kGroup;
            const __m512i word = _mm512_set1_epi32(word_at(from)), next = _mm512_set1_epi32(word_at(from + kGroup));
            for (int v = 0; v < kVectors; ++v) {
              group[r][v] = _mm512_dpbusd_epi32(group[r][v], first[v], word);
              group[r][v] = _mm512_dpbusd_epi32(group[r][v], second[v], next);
            }
          }
        }
        for (int v = 0; v < kVectors; ++v) {
          const __m256i bits =
              _mm256_loadu_si256(reinterpret_cast<const __m256i*>(scales_at(panel) + g * kPanel + c + v * 16));
          const __m512 scale =
              _mm512_castsi512_ps(_mm512_maskz_slli_epi32(kAll, _mm512_maskz_cvtepu16_epi32(kAll, bits), 16));
          for (int r = 0; r < kRows; ++r) {
            totals[r][v] = _mm512_fmadd_ps(_mm512_maskz_cvtepi32_ps(kAll, group[r][v]), scale, totals[r][v]);
          }
        }
      }
      for (int r = 0; r < kRows; ++r) {
        for (int v = 0; v < kVectors; ++v) {
          _mm512_storeu_ps(sums + r * kPanel + c + v * 16,
                           _mm512_mul_ps(totals[r][v], _mm512_set1_ps(x.scales[row + r])));
        }
      }
    }
  }
};

POLYMOE_AVX2 void product_avx2(const GroupedTile& tile, std::int64_t rows, std::int64_t outputs, std::int64_t first,
                               std::int64_t last, const ProductEnd& end, float* y) {
  for_each_tile(Avx2Tile{tile}, rows, tile.groups * kScaleGroup, outputs, first, last, end, y);
}

POLYMOE_VNNI void product_vnni(const GroupedTile& tile, std::int64_t rows, std::int64_t outputs, std::int64_t first,
                               std::int64_t last, const ProductEnd& end, float* y) {
  for_each_tile(VnniTile{tile}, rows, tile.groups * kScaleGroup, outputs, first, last, end, y);
}
#endif

struct QuantizeRows {
  const float* x;
  std::int64_t rows, inputs;
  std::int8_t* values;
  float* scales;
  std::int32_t* corrections;

  template <int kLanes, int kVectors>
  POLYMOE_INLINE void run() const {
    const std::int64_t groups = scale_groups_of(inputs), width = groups * kScaleGroup;
    for (std::int64_t r = 0; r < rows; ++r) {
      std::int8_t* to = values + r * width;
      scales[r] = quantize_row<kLanes>(x + r * inputs, inputs, 0, to);
      std::fill(to + inputs, to + width, std::int8_t{0});
      for (std::int64_t g = 0; g < groups; ++g) {
        std::int32_t sum = 0;
        for (std::int64_t i = 0; i < kScaleGroup; ++i) sum += to[g * kScaleGroup + i];
        corrections[r * groups + g] = -kZero * sum;
      }
    }
  }
};

}  // namespace

void quantize_rows(const float* x, std::int64_t rows, std::int64_t inputs, std::int8_t* values, float* scales,
                   std::int32_t* corrections) {
  run_kernel(QuantizeRows{x, rows, inputs, values, scales, corrections}, best_vectors());
}

void pack_weight(const std::uint8_t* values, const BFloat16* group_scales, std::int64_t outputs, std::int64_t inputs,
                 std::uint8_t* packed, BFloat16* scales) {
  const std::int64_t groups = scale_groups_of(inputs), panels = panels_of(outputs);
  std::fill(packed, packed + panels * groups * kScaleGroupBytes, std::uint8_t{0});
  std::fill(scales, scales + panels * groups * kPanel, BFloat16{0});
  for (std::int64_t o = 0; o < outputs; ++o) {
    const std::int64_t panel = o / kPanel, column = o % kPanel;
    for (std::int64_t g = 0; g < groups; ++g) {
      scales[(panel * groups + g) * kPanel + column] = group_scales[o * groups + g];
    }
    std::uint8_t* to = packed + panel * groups * kScaleGroupBytes + column * kGroup;
    for (std::int64_t i = 0; i < inputs; ++i) {
      const int both = values[(o * inputs + i) / 2], value = i % 2 == 0 ? both & 15 : both >> 4;
      const std::int64_t group = i / kGroup;
      std::uint8_t& place = to[group / 2 * kPairBytes + i % kGroup];
      place = static_cast<std::uint8_t>(place | (group % 2 == 0 ? value : value << 4));
    }
  }
}

void packed_product(const GroupedRows& x, std::int64_t rows, const GroupedWeight& weight, std::int64_t inputs,
                    std::int64_t outputs, std::int64_t first, std::int64_t last, const ProductEnd& end, float* y,
                    Vectors vectors) {
  const GroupedTile tile{x, weight, scale_groups_of(inputs)};
#if defined(__x86_64__)
  if (vectors >= Vectors::kAvx512Vnni) return product_vnni(tile, rows, outputs, first, last, end, y);
  if (vectors >= Vectors::kAvx2) return product_avx2(tile, rows, outputs, first, last, end, y);
#endif
  product_plain(tile, rows, outputs, first, last, end, y);
}

}  // namespace polymoe::kernels
