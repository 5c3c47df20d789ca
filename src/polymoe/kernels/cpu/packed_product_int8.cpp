#include <algorithm>
#include <cstring>
#include <numeric>
#include <vector>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "polymoe/kernels/cpu/packed_product.h"
#include "polymoe/kernels/cpu/packed_product_work.h"
#include "polymoe/kernels/cpu/quantized_row.h"
#include "polymoe/kernels/cpu/vectors.h"

namespace polymoe::kernels {
namespace {

constexpr std::int64_t kGroupBytes = kGroup * kPanel;  // of a panel, for a group of inputs

// Without VNNI, two products of an unsigned value and a weight are added in 16 bits, which 255 * w0 + 255 * w1 may
// exceed. So AVX2's panels consist of strips. In each strip the groups of inputs that cannot overflow come first; the
// others are computed as |w| * sign(w) x, which takes two more instructions a row. Sums are exact either way.
constexpr std::int64_t kStrip = 8;  // outputs
constexpr std::int64_t kStrips = kPanel / kStrip;
constexpr std::int64_t kStripGroupBytes = kGroup * kStrip;

// Elements of a strip's order: the number of safe groups, then all groups, safe ones first.
std::int64_t order_stride(std::int64_t groups) { return 1 + groups; }

// With more groups than 16 bits can index, the plain layout is used.
bool has_strips([[maybe_unused]] std::int64_t groups, [[maybe_unused]] Vectors vectors) {
#if defined(__x86_64__)
  return vectors >= Vectors::kAvx2 && vectors < Vectors::kAvx512Vnni && groups < 65536;
#else
  return false;
#endif
}

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
// Adds the groups [begin, end) of a strip's order to its sums.
template <int kRows, bool kSafe>
POLYMOE_AVX2 POLYMOE_INLINE void add_groups(const std::uint8_t* x, std::int64_t groups, const std::uint16_t* order,
                                            std::int64_t begin, std::int64_t end, const std::int8_t* strip,
                                            const Ahead& ahead, __m256i (&sums)[kRows]) {
  const __m256i offset = _mm256_set1_epi8(static_cast<char>(0x80)), ones = _mm256_set1_epi16(1);
  for (std::int64_t g = begin; g < end; ++g) {
    ahead.fetch(g, groups);
    const __m256i weights = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(strip + g * kStripGroupBytes));
    for (int r = 0; r < kRows; ++r) {
      __m256i values = _mm256_set1_epi32(word_at(x + (r * groups + order[g]) * kGroup));
      if (kSafe) {
        values = _mm256_maddubs_epi16(values, weights);
      } else {  // |w| * sign(w) x, with x signed and at most 127: its pairs fit 16 bits
        values = _mm256_sign_epi8(_mm256_xor_si256(values, offset), weights);
        values = _mm256_maddubs_epi16(_mm256_abs_epi8(weights), values);
      }
      sums[r] = _mm256_add_epi32(sums[r], _mm256_madd_epi16(values, ones));
    }
  }
}

// The sums of a strip, for at most kRows rows.
template <int kRows>
POLYMOE_AVX2 POLYMOE_INLINE void sum_strip(std::int64_t rows, const std::uint8_t* x, std::int64_t groups,
                                           const std::int8_t* strip, const std::int32_t* corrections,
                                           const std::uint16_t* order, std::int32_t* totals, const Ahead& ahead) {
  if constexpr (kRows > 1) {
    if (rows < kRows) return sum_strip<kRows - 1>(rows, x, groups, strip, corrections, order, totals, ahead);
  }
  __m256i sums[kRows];
  for (int r = 0; r < kRows; ++r) sums[r] = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(corrections));
  const std::int64_t safe = order[0];
  add_groups<kRows, true>(x, groups, order + 1, 0, safe, strip, ahead, sums);
  add_groups<kRows, false>(x, groups, order + 1, safe, groups, strip, ahead, sums);
  for (int r = 0; r < kRows; ++r) _mm256_storeu_si256(reinterpret_cast<__m256i*>(totals + r * kPanel), sums[r]);
}

// The sums of a panel, for at most kRows rows.
template <int kRows>
POLYMOE_VNNI POLYMOE_INLINE void sum_panel(std::int64_t rows, const std::uint8_t* x, std::int64_t groups,
                                           const std::int8_t* panel, const std::int32_t* corrections,
                                           std::int32_t* totals) {
  if constexpr (kRows > 1) {
    if (rows < kRows) return sum_panel<kRows - 1>(rows, x, groups, panel, corrections, totals);
  }
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
    for (std::int64_t s = 0; s < kStrips; ++s) {
      const std::int64_t column = panel * kPanel + s * kStrip;
      sum_strip<kTileRows>(rows, row_at(row), groups, weight.packed + column * groups * kGroup,
                           weight.corrections + column, weight.order + column / kStrip * order_stride(groups),
                           totals + s * kStrip, ahead.part(s, kStrips));
    }
    scale(totals, rows, row, panel, sums);
  }
};

struct VnniTile : QuantizedTile {
  POLYMOE_VNNI void compute(std::int64_t rows, std::int64_t row, std::int64_t panel, float* sums, const Ahead&) const {
    alignas(64) std::int32_t totals[kTileRows * kPanel];
    sum_panel<kTileRows>(rows, row_at(row), groups, panel_at(panel), weight.corrections + panel * kPanel, totals);
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

// Whether x0 * w0 + x1 * w1 fits in 16 bits for each pair, whatever the values up to 255.
bool is_safe(const std::int8_t* group) {
  for (std::int64_t i = 0; i < kGroup; i += 2) {
    const int above = std::max<int>(group[i], 0) + std::max<int>(group[i + 1], 0);
    const int below = std::min<int>(group[i], 0) + std::min<int>(group[i + 1], 0);
    if (255 * above > 32767 || 255 * below < -32768) return false;
  }
  return true;
}

// Expects `packed` and `corrections` zeroed. Only safe groups, which meet unsigned values, need corrections.
void pack_strips(const std::int8_t* values, std::int64_t outputs, std::int64_t inputs, std::int8_t* packed,
                 std::int32_t* corrections, std::uint16_t* order) {
  const std::int64_t groups = groups_of(inputs), bytes = kStripGroupBytes;
  std::vector<std::int8_t> strip(static_cast<std::size_t>(groups * bytes));
  for (std::int64_t first = 0; first < panels_of(outputs) * kPanel; first += kStrip) {
    std::fill(strip.begin(), strip.end(), std::int8_t{0});
    for (std::int64_t o = first; o < std::min(first + kStrip, outputs); ++o) {
      for (std::int64_t i = 0; i < inputs; ++i) {
        strip[static_cast<std::size_t>(i / kGroup * bytes + (o - first) * kGroup + i % kGroup)] =
            values[o * inputs + i];
      }
    }
    const auto is_safe_strip = [&](std::uint16_t g) {
      for (std::int64_t c = 0; c < kStrip; ++c) {
        if (!is_safe(strip.data() + g * bytes + c * kGroup)) return false;
      }
      return true;
    };
    std::uint16_t* own = order + first / kStrip * order_stride(groups);
    std::iota(own + 1, own + 1 + groups, std::uint16_t{0});
    own[0] = static_cast<std::uint16_t>(std::stable_partition(own + 1, own + 1 + groups, is_safe_strip) - own - 1);
    std::int8_t* to = packed + first * groups * kGroup;
    for (std::int64_t g = 0; g < groups; ++g) {
      const std::int8_t* from = strip.data() + own[1 + g] * bytes;
      std::copy_n(from, bytes, to + g * bytes);
      for (std::int64_t b = 0; g < own[0] && b < bytes; ++b) corrections[first + b / kGroup] -= 128 * from[b];
    }
  }
}

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

std::int64_t order_size(std::int64_t outputs, std::int64_t inputs, Vectors vectors) {
  return has_strips(groups_of(inputs), vectors) ? panels_of(outputs) * kStrips * order_stride(groups_of(inputs)) : 0;
}

void pack_weight(const std::int8_t* values, std::int64_t outputs, std::int64_t inputs, std::int8_t* packed,
                 std::int32_t* corrections, std::uint16_t* order, Vectors vectors) {
  const std::int64_t panels = panels_of(outputs), groups = groups_of(inputs);
  std::fill(packed, packed + panels * groups * kGroupBytes, std::int8_t{0});
  std::fill(corrections, corrections + panels * kPanel, 0);
  if (has_strips(groups, vectors)) return pack_strips(values, outputs, inputs, packed, corrections, order);
  for (std::int64_t o = 0; o < outputs; ++o) {
    std::int8_t* to = packed + o / kPanel * groups * kGroupBytes + o % kPanel * kGroup;
    for (std::int64_t i = 0; i < inputs; ++i) {
      const std::int8_t value = values[o * inputs + i];
      to[i / kGroup * kGroupBytes + i % kGroup] = value;
      corrections[o] -= 128 * value;
    }
  }
}

void copy_row(const QuantizedWeight& weight, std::int64_t inputs, std::int64_t output, float* row) {
  const std::int64_t groups = groups_of(inputs), width = weight.order != nullptr ? kStrip : kPanel;
  const std::int8_t* from = weight.packed + output / width * groups * width * kGroup + output % width * kGroup;
  const std::uint16_t* order =
      weight.order != nullptr ? weight.order + output / width * order_stride(groups) + 1 : nullptr;
  for (std::int64_t g = 0; g < groups; ++g, from += width * kGroup) {
    const std::int64_t first = (order != nullptr ? order[g] : g) * kGroup;
    for (std::int64_t i = 0; i < std::min(kGroup, inputs - first); ++i) {
      row[first + i] = weight.scales[output] * static_cast<float>(from[i]);
    }
  }
}

void packed_product(const QuantizedRows& x, std::int64_t rows, const QuantizedWeight& weight, std::int64_t inputs,
                    std::int64_t outputs, std::int64_t first, std::int64_t last, const ProductEnd& end, float* y,
                    Vectors vectors) {
  const QuantizedTile tile{x, weight, groups_of(inputs), outputs};
#if defined(__x86_64__)
  if (vectors >= Vectors::kAvx512Vnni) return product_vnni(tile, rows, first, last, end, y);
  if (weight.order != nullptr) return product_avx2(tile, rows, first, last, end, y);
#endif
  product_plain(tile, rows, first, last, end, y);
}

}  // namespace polymoe::kernels
