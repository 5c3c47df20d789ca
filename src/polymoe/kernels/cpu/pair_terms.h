#pragma once

#include <bit>
#include <cstdint>
#include <type_traits>

#include "polymoe/kernels/bfloat16.h"
#include "polymoe/kernels/cpu/product_tile.h"

// The CPU's own instructions for bfloat16. Clang refuses vectors of 512 bits in assembly outside of functions that are
// compiled for them.
#if defined(__x86_64__) && !defined(__clang__)
#define POLYMOE_NATIVE_PAIRS
#endif

/// Products of float32 and of bfloat16 by the same tiles. A word of 32 bits holds one float or, of bfloat16, two terms
/// of a sum beside each other, whose products are added to the sum in float32.
namespace polymoe::kernels {

/// Terms that are pairs of bfloat16. kNative: by AVX-512 BF16, which takes numbers below 2^-126 for zero.
template <bool kNative>
struct PairTerms {
  using Element = BFloat16;

  template <int kLanes, int kVectors, int kRows>
  static POLYMOE_INLINE void add(const Word* a, std::int64_t row, const float* panel,
                                 typename Lanes<kLanes>::Floats (&sums)[kRows][kVectors]) {
    using L = Lanes<kLanes>;
    typename L::Floats pairs[kVectors];
    for (int v = 0; v < kVectors; ++v) L::load(panel + v * kLanes, pairs[v]);
#ifdef POLYMOE_NATIVE_PAIRS
    if constexpr (kNative) {
      static_assert(kLanes == 16);
      for (int r = 0; r < kRows; ++r) {
        const auto values = typename L::Words{} + std::bit_cast<std::uint32_t>(a[r * row]);
        for (int v = 0; v < kVectors; ++v) {
          // As text: intrinsics are only for functions that are compiled for this instruction.
          typename L::Floats sum = sums[r][v];
          asm("vdpbf16ps %2, %1, %0" : "+v"(sum) : "v"(values), "v"(pairs[v]));
          sums[r][v] = sum;
        }
      }
      return;
    }
#endif
    add_halves<kLanes, kVectors, kRows, false>(a, row, pairs, sums);
    add_halves<kLanes, kVectors, kRows, true>(a, row, pairs, sums);
  }

  /// to[i] = sums[i], plus bias[i] where it is not null, rounded.
  static POLYMOE_INLINE void round(const float* sums, std::int64_t count, const BFloat16* bias, BFloat16* to) {
    std::int64_t i = 0;
#ifdef POLYMOE_NATIVE_PAIRS
    if constexpr (kNative) {
      using L = Lanes<16>;
      for (; i + 16 <= count; i += 16) {
        L::Floats values, added;
        L::load(sums + i, values);
        if (bias != nullptr) {
          L::load(bias + i, added);
          values += added;
        }
        L::Halves rounded;
        asm("vcvtneps2bf16 %1, %0" : "=v"(rounded) : "v"(values));
        *reinterpret_cast<L::Halves*>(to + i) = rounded;
      }
    }
#endif
    if (bias != nullptr) {
      for (; i < count; ++i) from_float(sums[i] + to_float(bias[i]), to[i]);
    } else {
      for (; i < count; ++i) from_float(sums[i], to[i]);
    }
  }

 private:
  template <int kLanes, int kVectors, int kRows, bool kUpper>
  static POLYMOE_INLINE void add_halves(const Word* a, std::int64_t row,
                                        const typename Lanes<kLanes>::Floats (&pairs)[kVectors],
                                        typename Lanes<kLanes>::Floats (&sums)[kRows][kVectors]) {
    typename Lanes<kLanes>::Floats factors[kVectors];
    for (int v = 0; v < kVectors; ++v) {
      auto words = std::bit_cast<typename Lanes<kLanes>::Words>(pairs[v]);
      words = kUpper ? words & 0xFFFF0000u : words << 16;
      factors[v] = std::bit_cast<typename Lanes<kLanes>::Floats>(words);
    }
    for (int r = 0; r < kRows; ++r) {
      const auto word = std::bit_cast<std::uint32_t>(a[r * row]);
      const auto value = std::bit_cast<float>(kUpper ? word & 0xFFFF0000u : word << 16);
      for (int v = 0; v < kVectors; ++v) sums[r][v] += value * factors[v];
    }
  }
};

/// Calls Kernel<Terms>{arguments...}.run() for terms of Element and the best that `vectors` allow.
template <template <typename Terms> typename Kernel, typename Element, typename... Arguments>
void run_products(Vectors vectors, const Arguments&... arguments) {
  if constexpr (std::is_same_v<Element, float>) {
    run_kernel(Kernel<FloatTerms>{arguments...}, vectors);
  } else {
#ifdef POLYMOE_NATIVE_PAIRS
    if (vectors == Vectors::kAvx512Bfloat16) return run_avx512(Kernel<PairTerms<true>>{arguments...});
#endif
    run_kernel(Kernel<PairTerms<false>>{arguments...}, vectors);
  }
}

/// Terms in a word.
template <typename Element>
inline constexpr std::int64_t kTermsOfWord = sizeof(Word) / sizeof(Element);

/// Words for so many terms.
template <typename Element>
constexpr std::int64_t words_for(std::int64_t terms) {
  return (terms + kTermsOfWord<Element> - 1) / kTermsOfWord<Element>;
}

/// Elements as words, which must be whole and at multiples of 4 bytes.
template <typename Element>
POLYMOE_INLINE const float* words_of(const Element* elements) {
  return reinterpret_cast<const float*>(elements);
}

/// panel[i, c] = rows[i, c], where a row begins `row` elements after the one before; of bfloat16 the pair of rows
/// 2 i and 2 i + 1, where zero stands for a last odd row's other half. Zero behind `columns` columns.
POLYMOE_INLINE void lay_out_rows(const float* rows, std::int64_t row, std::int64_t count, std::int64_t columns,
                                 float* panel) {
  copy_panel(rows, row, count, columns, panel);
}
POLYMOE_INLINE void lay_out_rows(const BFloat16* rows, std::int64_t row, std::int64_t count, std::int64_t columns,
                                 float* panel) {
  using L = Lanes<16>;
  for (std::int64_t i = 0; i < count; i += 2, rows += 2 * row, panel += kPanel) {
    const bool is_pair = i + 1 < count;
    std::int64_t c = 0;
    for (; c + 16 <= columns; c += 16) {
      auto words = __builtin_convertvector(*reinterpret_cast<const L::Halves*>(rows + c), L::Words);
      if (is_pair)
        words |= __builtin_convertvector(*reinterpret_cast<const L::Halves*>(rows + row + c), L::Words) << 16;
      *reinterpret_cast<L::Words*>(panel + c) = words;
    }
    for (; c < kPanel; ++c) {
      const std::uint32_t lower = c < columns ? rows[c].bits : 0,
                          upper = c < columns && is_pair ? rows[row + c].bits : 0;
      panel[c] = std::bit_cast<float>(lower | upper << 16);
    }
  }
}

}  // namespace polymoe::kernels
