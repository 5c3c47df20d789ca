#include "polymoe/kernels/cpu/packed_product.h"

#include <algorithm>

#include "polymoe/kernels/cpu/lanes.h"
#include "polymoe/kernels/cpu/packed_product_work.h"

namespace polymoe::kernels {
namespace {

// sums[r, c] of kRows rows and kVectors * kLanes outputs; all of them stay in registers.
template <int kLanes, int kVectors, int kRows, typename T>
POLYMOE_INLINE void sum_block(const float* x, const T* panel, std::int64_t inputs, float* sums, const Ahead& ahead) {
  using Floats = typename Lanes<kLanes>::Floats;
  Floats totals[kRows][kVectors] = {};
  for (std::int64_t i = 0; i < inputs; ++i) {
    ahead.fetch(i, inputs);
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

template <int kLanes, int kVectors, int kRows, typename T>
POLYMOE_INLINE void sum_panel(const float* x, const T* panel, std::int64_t inputs, float* sums, const Ahead& ahead) {
  constexpr std::int64_t kColumns = std::int64_t{kLanes} * kVectors;
  for (std::int64_t c = 0; c < kPanel; c += kColumns) {
    sum_block<kLanes, kVectors, kRows>(x, panel + c, inputs, sums + c, ahead.part(c / kColumns, kPanel / kColumns));
  }
}

template <int kLanes, int kVectors, typename T>
struct FloatTile {
  const float* x;
  const T* packed;
  std::int64_t inputs;

  std::int64_t panel_bytes() const { return inputs * kPanel * static_cast<std::int64_t>(sizeof(T)); }
  const char* bytes_at(std::int64_t panel) const {
    return reinterpret_cast<const char*>(packed + panel * inputs * kPanel);
  }

  POLYMOE_INLINE void compute(std::int64_t rows, std::int64_t row, std::int64_t panel, float* sums,
                              const Ahead& ahead) const {
    const float* from = x + row * inputs;
    const T* weights = packed + panel * inputs * kPanel;
    // Few rows leave registers for longer pieces of a panel, which are read faster.
    constexpr int kMost = static_cast<int>(kPanel) / kLanes, kLong = kMost < 8 ? kMost : 8,
                  kHalf = kLong < 4 ? kLong : 4;
    switch (rows) {
      case 1:
        return sum_panel<kLanes, kLong, 1>(from, weights, inputs, sums, ahead);
      case 2:
        return sum_panel<kLanes, kHalf, 2>(from, weights, inputs, sums, ahead);
      case 3:
        return sum_panel<kLanes, kVectors, 3>(from, weights, inputs, sums, ahead);
      case 4:
        return sum_panel<kLanes, kVectors, 4>(from, weights, inputs, sums, ahead);
      case 5:
        return sum_panel<kLanes, kVectors, 5>(from, weights, inputs, sums, ahead);
      default:
        return sum_panel<kLanes, kVectors, 6>(from, weights, inputs, sums, ahead);
    }
  }
};

template <typename T>
struct Product {
  const float* x;
  std::int64_t rows;
  const T* packed;
  std::int64_t inputs, outputs;
  std::int64_t first, last;
  ProductEnd end;
  float* y;

  template <int kLanes, int kVectors>
  POLYMOE_INLINE void run() const {
    const FloatTile<kLanes, kVectors, T> tile{x, packed, inputs};
    for_each_tile(tile, rows, inputs * static_cast<std::int64_t>(sizeof(float)), outputs, first, last, end, y);
  }
};

}  // namespace

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
  run_kernel(Product<T>{x, rows, packed, inputs, outputs, first, last, end, y}, vectors);
}

template void pack_weight(const float*, std::int64_t, std::int64_t, float*);
template void pack_weight(const BFloat16*, std::int64_t, std::int64_t, BFloat16*);
template void packed_product(const float*, std::int64_t, const float*, std::int64_t, std::int64_t, std::int64_t,
                             std::int64_t, const ProductEnd&, float*, Vectors);
template void packed_product(const float*, std::int64_t, const BFloat16*, std::int64_t, std::int64_t, std::int64_t,
                             std::int64_t, const ProductEnd&, float*, Vectors);

}  // namespace polymoe::kernels
