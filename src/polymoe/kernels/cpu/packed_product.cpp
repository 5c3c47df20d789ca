#include "polymoe/kernels/cpu/packed_product.h"

#include <algorithm>

#include "polymoe/kernels/cpu/packed_product_work.h"

namespace polymoe::kernels {
namespace {

// Vectors of kLanes elements that may lie anywhere in memory. Compilers want the sizes as literals.
template <int kLanes>
struct Lanes;

#define POLYMOE_LANES(count)                                                                            \
  template <>                                                                                           \
  struct Lanes<count> {                                                                                 \
    typedef float Floats __attribute__((vector_size((count)*4), aligned(4), may_alias));                \
    typedef std::uint32_t Words __attribute__((vector_size((count)*4), aligned(4), may_alias));         \
    typedef std::uint16_t Halves __attribute__((vector_size((count)*2), aligned(2), may_alias));        \
    static inline __attribute__((always_inline)) void load(const float* from, Floats& to) {             \
      to = *reinterpret_cast<const Floats*>(from);                                                      \
    }                                                                                                   \
    static inline __attribute__((always_inline)) void load(const BFloat16* from, Floats& to) {          \
      const Words words = __builtin_convertvector(*reinterpret_cast<const Halves*>(from), Words) << 16; \
      to = *reinterpret_cast<const Floats*>(&words);                                                    \
    }                                                                                                   \
  };
POLYMOE_LANES(4)
POLYMOE_LANES(8)
POLYMOE_LANES(16)
#undef POLYMOE_LANES

// sums[r, c] of kRows rows and kVectors * kLanes outputs; all of them stay in registers.
template <int kLanes, int kVectors, int kRows, typename T>
inline __attribute__((always_inline)) void sum_block(const float* x, const T* panel, std::int64_t inputs, float* sums) {
  using Floats = typename Lanes<kLanes>::Floats;
  Floats totals[kRows][kVectors] = {};
  for (std::int64_t i = 0; i < inputs; ++i) {
    Floats weights[kVectors];
    for (int v = 0; v < kVectors; ++v) Lanes<kLanes>::load(panel + i * kPanel + v * kLanes, weights[v]);
    for (int r = 0; r < kRows; ++r) {
      const float value = x[r * inputs + i];
      for (int v = 0; v < kVectors; ++v) totals[r][v] += value * weights[v];
    }
  }
  for (int r = 0; r < kRows; ++r) {
    for (int v = 0; v < kVectors; ++v) {
      *reinterpret_cast<Floats*>(sums + r * kPanel + v * kLanes) = totals[r][v];
    }
  }
}

template <int kLanes, int kVectors, typename T>
struct FloatTile {
  const float* x;
  const T* packed;
  std::int64_t inputs;

  inline __attribute__((always_inline)) void compute(std::int64_t rows, std::int64_t row, std::int64_t panel,
                                                     float* sums) const {
    const float* from = x + row * inputs;
    for (std::int64_t c = 0; c < kPanel; c += std::int64_t{kLanes} * kVectors) {
      const T* weights = packed + panel * inputs * kPanel + c;
      switch (rows) {
        case 1:
          sum_block<kLanes, kVectors, 1>(from, weights, inputs, sums + c);
          break;
        case 2:
          sum_block<kLanes, kVectors, 2>(from, weights, inputs, sums + c);
          break;
        case 3:
          sum_block<kLanes, kVectors, 3>(from, weights, inputs, sums + c);
          break;
        case 4:
          sum_block<kLanes, kVectors, 4>(from, weights, inputs, sums + c);
          break;
        case 5:
          sum_block<kLanes, kVectors, 5>(from, weights, inputs, sums + c);
          break;
        default:
          sum_block<kLanes, kVectors, 6>(from, weights, inputs, sums + c);
          break;
      }
    }
  }
};

// Everything below is compiled for the vectors that its attribute names.
template <int kLanes, int kVectors, typename T>
inline __attribute__((always_inline)) void product(const float* x, std::int64_t rows, const T* packed,
                                                   std::int64_t inputs, std::int64_t outputs, std::int64_t first,
                                                   std::int64_t last, const ProductEnd& end, float* y) {
  const FloatTile<kLanes, kVectors, T> tile{x, packed, inputs};
  for_each_tile(tile, rows, inputs * static_cast<std::int64_t>(sizeof(float)), outputs, first, last, end, y);
}

template <typename T>
void product_plain(const float* x, std::int64_t rows, const T* packed, std::int64_t inputs, std::int64_t outputs,
                   std::int64_t first, std::int64_t last, const ProductEnd& end, float* y) {
  product<4, 2>(x, rows, packed, inputs, outputs, first, last, end, y);
}

#if defined(__x86_64__)
template <typename T>
__attribute__((target("arch=x86-64-v3"))) void product_avx2(const float* x, std::int64_t rows, const T* packed,
                                                            std::int64_t inputs, std::int64_t outputs,
                                                            std::int64_t first, std::int64_t last,
                                                            const ProductEnd& end, float* y) {
  product<8, 2>(x, rows, packed, inputs, outputs, first, last, end, y);
}

template <typename T>
__attribute__((target("arch=x86-64-v4"))) void product_avx512(const float* x, std::int64_t rows, const T* packed,
                                                              std::int64_t inputs, std::int64_t outputs,
                                                              std::int64_t first, std::int64_t last,
                                                              const ProductEnd& end, float* y) {
  product<16, 4>(x, rows, packed, inputs, outputs, first, last, end, y);
}
#endif

}  // namespace

Vectors best_vectors() {
#if defined(__x86_64__)
  static const Vectors best = [] {
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512cd")) {
      return __builtin_cpu_supports("avx512vnni") ? Vectors::kAvx512Vnni : Vectors::kAvx512;
    }
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") ? Vectors::kAvx2 : Vectors::kPlain;
  }();
  return best;
#else
  return Vectors::kPlain;
#endif
}

template <typename T>
void pack_weight(const T* weight, std::int64_t outputs, std::int64_t inputs, T* packed) {
  for (std::int64_t panel = 0; panel < panels_of(outputs); ++panel) {
    T* to = packed + panel * inputs * kPanel;
    const std::int64_t columns = std::min(kPanel, outputs - panel * kPanel);
    if (columns < kPanel) std::fill(to, to + inputs * kPanel, T{});
    // Blocks of inputs that stay in the L1 cache, whole lines of it on both sides.
    constexpr std::int64_t kBlock = 16;
    for (std::int64_t begin = 0; begin < inputs; begin += kBlock) {
      const std::int64_t stop = std::min(begin + kBlock, inputs);
      for (std::int64_t c = 0; c < columns; ++c) {
        const T* row = weight + (panel * kPanel + c) * inputs;
        for (std::int64_t i = begin; i < stop; ++i) to[i * kPanel + c] = row[i];
      }
    }
  }
}

template <typename T>
void packed_product(const float* x, std::int64_t rows, const T* packed, std::int64_t inputs, std::int64_t outputs,
                    std::int64_t first, std::int64_t last, const ProductEnd& end, float* y, Vectors vectors) {
#if defined(__x86_64__)
  if (vectors >= Vectors::kAvx512) return product_avx512(x, rows, packed, inputs, outputs, first, last, end, y);
  if (vectors == Vectors::kAvx2) return product_avx2(x, rows, packed, inputs, outputs, first, last, end, y);
#endif
  product_plain(x, rows, packed, inputs, outputs, first, last, end, y);
}

template void pack_weight(const float*, std::int64_t, std::int64_t, float*);
template void pack_weight(const BFloat16*, std::int64_t, std::int64_t, BFloat16*);
template void packed_product(const float*, std::int64_t, const float*, std::int64_t, std::int64_t, std::int64_t,
                             std::int64_t, const ProductEnd&, float*, Vectors);
template void packed_product(const float*, std::int64_t, const BFloat16*, std::int64_t, std::int64_t, std::int64_t,
                             std::int64_t, const ProductEnd&, float*, Vectors);

}  // namespace polymoe::kernels
