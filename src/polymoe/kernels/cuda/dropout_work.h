#pragma once

#include <cstdint>

#include "polymoe/kernels/bfloat16.h"
#include "polymoe/kernels/cuda/work.h"
#include "polymoe/kernels/dropout_mask.h"

namespace polymoe::kernels::cuda {

/// What a launch of dropout() works on.
template <typename T>
struct DropoutWork {
  const T* input;
  const T* added;
  T* output;
  std::int64_t rows, width;
  const std::int64_t* row_ids;
  std::int64_t first_row, first_column;
  MaskNumbers mask;
  PhiloxKey key;

  POLYMOE_HOST_DEVICE std::int64_t items() const { return rows * mask_items(first_column, width); }
  POLYMOE_HOST_DEVICE std::int64_t row_name(std::int64_t row) const {
    return row_ids != nullptr ? row_ids[row] : first_row + row;
  }
};

/// One item: a Philox block, and so eight elements. Neighbouring items write neighbouring elements.
template <typename T>
POLYMOE_HOST_DEVICE void dropout_item(const DropoutWork<T>& work, std::int64_t item) {
  const std::int64_t items_of_row = mask_items(work.first_column, work.width);
  const std::int64_t row = quotient(item, items_of_row), in_row = item - row * items_of_row;
  for_each_masked(work.row_name(row), in_row, work.first_column, work.width, work.mask, work.key,
                  [&](std::int64_t column, float factor) {
                    const std::int64_t i = row * work.width + column;
                    const float kept = to_float(work.input[i]) * factor;
                    from_float(work.added != nullptr ? to_float(work.added[i]) + kept : kept, work.output[i]);
                  });
}

// The elements that a block decides are kMaskLanes apart: memory moves better where a thread has neighbours. So the
// threads of a warp draw their blocks and tell each other what these say. Thread t of a chunk's sixteen then has its
// columns 8 t to 8 t + 7, which are part t / 2 of the blocks 8 (t % 2) to 8 (t % 2) + 7.

/// Whether rows may be worked on so: eight columns are all in a row or all outside.
inline bool in_eights(std::int64_t first_column, std::int64_t width) {
  return first_column % kMaskPerBlock == 0 && width % kMaskPerBlock == 0;
}

/// What a lane of a warp keeps of its eight columns: bit i for the i-th. `of_warp(part)` has a bit for each lane of the
/// warp: whether its block keeps that part.
template <typename OfWarp>
POLYMOE_HOST_DEVICE std::uint32_t kept_columns(int lane, const OfWarp& of_warp) {
  const int thread = lane % kMaskLanes;
  std::uint32_t mine = 0;
  for (int part = 0; part < kMaskPerBlock; ++part) {
    const std::uint32_t bits = of_warp(part);
    if (part == thread / 2) mine = bits;
  }
  return mine >> (lane - thread + thread % 2 * kMaskPerBlock) & 0xFFu;
}

/// output = input * (scale where a bit of `kept` is set, else 0), plus `added` where it is not null, of eight elements.
template <typename T>
POLYMOE_HOST_DEVICE void drop_eight(const T* input, const T* added, T* output, std::uint32_t kept, float scale) {
  constexpr int kWide = static_cast<int>(16 / sizeof(T));
  using Elements = Pack<T, kWide>;
  for (int first = 0; first < kMaskPerBlock; first += kWide) {
    const Elements in = *reinterpret_cast<const Elements*>(input + first);
    const Elements plus = added != nullptr ? *reinterpret_cast<const Elements*>(added + first) : Elements{};
    Elements out;
    for (int i = 0; i < kWide; ++i) {
      const float value = to_float(in.values[i]) * ((kept >> (first + i) & 1u) != 0 ? scale : 0.0f);
      from_float(added != nullptr ? to_float(plus.values[i]) + value : value, out.values[i]);
    }
    *reinterpret_cast<Elements*>(output + first) = out;
  }
}

/// The eight columns of item `in_row` of a row, of which `kept` has the bits.
template <typename T>
POLYMOE_HOST_DEVICE void dropout_columns(const DropoutWork<T>& work, std::int64_t row, std::int64_t in_row,
                                         std::uint32_t kept) {
  const std::int64_t column = in_row * kMaskPerBlock - work.first_column % kMaskChunk;
  if (column < 0 || column >= work.width) return;
  const std::int64_t at = row * work.width + column;
  drop_eight(work.input + at, work.added != nullptr ? work.added + at : nullptr, work.output + at, kept,
             work.mask.scale);
}

}  // namespace polymoe::kernels::cuda
