#pragma once

#include <algorithm>
#include <cstdint>

#include "polymoe/kernels/bfloat16.h"
#include "polymoe/kernels/cuda/work.h"

/// Sums over rows: first over those of a block, or of a warp, then over what these have.
namespace polymoe::kernels::cuda {

/// Adds to sums[kCount] the elements of every `step`-th row of [begin, end), from `begin + offset`.
template <typename T, int kCount>
POLYMOE_HOST_DEVICE void sum_rows(const T* values, std::int64_t width, std::int64_t first, std::int64_t begin,
                                  std::int64_t end, int offset, int step, float* sums) {
  using Elements = Pack<T, kCount>;
  for (std::int64_t row = begin + offset; row < end; row += step) {
    const Elements in = *reinterpret_cast<const Elements*>(values + row * width + first);
    for (int i = 0; i < kCount; ++i) sums[i] += to_float(in.values[i]);
  }
}

/// The same of grad, which is zero where `active`, an output of ReLU, is not positive; writes it to `result` too.
template <typename T, int kCount>
POLYMOE_HOST_DEVICE void sum_relu_rows(const T* grad, const T* active, T* result, std::int64_t width,
                                       std::int64_t first, std::int64_t begin, std::int64_t end, int offset, int step,
                                       float* sums) {
  using Elements = Pack<T, kCount>;
  for (std::int64_t row = begin + offset; row < end; row += step) {
    const std::int64_t at = row * width + first;
    Elements grads = *reinterpret_cast<const Elements*>(grad + at);
    const Elements outputs = *reinterpret_cast<const Elements*>(active + at);
    for (int i = 0; i < kCount; ++i) {
      if (to_float(outputs.values[i]) <= 0.0f) from_float(0.0f, grads.values[i]);
      sums[i] += to_float(grads.values[i]);
    }
    *reinterpret_cast<Elements*>(result + at) = grads;
  }
}

/// Group `group` of kWarp has every kWarp-th row of `partial` [blocks, width]: its sum of a column.
POLYMOE_HOST_DEVICE inline float column_part(const float* partial, std::int64_t blocks, std::int64_t width,
                                             std::int64_t column, int group) {
  float sum = 0.0f;
  for (std::int64_t block = group; block < blocks; block += kWarp) sum += partial[block * width + column];
  return sum;
}
/// A column's sum over the groups' parts [group][column of the block].
POLYMOE_HOST_DEVICE inline float column_total(const float (&parts)[kWarp][kWarp], int column) {
  float sum = 0.0f;
  for (int group = 0; group < kWarp; ++group) sum += parts[group][column];
  return sum;
}

/// How rows are shared out among blocks that have `columns_of_block` columns each.
struct ColumnSumsGrid {
  static constexpr std::int64_t kBlocks = 132 * 8;  // what an H100 runs at once
  static constexpr std::int64_t kFewestRows = 64;   // of a block: each costs a row of float32 sums

  ColumnSumsGrid(std::int64_t rows, std::int64_t width, std::int64_t columns_of_block)
      : across((width + columns_of_block - 1) / columns_of_block),
        down(std::clamp<std::int64_t>((rows + kFewestRows - 1) / kFewestRows, 1,
                                      std::max<std::int64_t>(1, kBlocks / across))) {}

  POLYMOE_HOST_DEVICE std::int64_t first_row(std::int64_t block, std::int64_t rows) const {
    return rows * block / down;
  }

  std::int64_t across, down;  // blocks
};

}  // namespace polymoe::kernels::cuda
