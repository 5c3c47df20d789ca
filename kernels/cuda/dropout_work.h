#pragma once

#include <cstdint>

#include "kernels/bfloat16.h"
#include "kernels/dropout_mask.h"
#include "kernels/host_device.h"

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
};

/// One item: a Philox block, and so eight elements. Neighbouring items write neighbouring elements.
template <typename T>
POLYMOE_HOST_DEVICE void dropout_item(const DropoutWork<T>& work, std::int64_t item) {
  const std::int64_t items_of_row = mask_items(work.first_column, work.width);
  const std::int64_t r = item / items_of_row, in_row = item % items_of_row;
  const std::int64_t begin = (work.first_column / kMaskChunk + in_row / kMaskLanes) * kMaskChunk;
  const int lane = static_cast<int>(in_row % kMaskLanes);
  const std::int64_t row = work.row_ids != nullptr ? work.row_ids[r] : work.first_row + r;
  const PhiloxCounter block =
      mask_block(static_cast<std::uint64_t>(row), static_cast<std::uint64_t>(begin), lane, work.key);
  for (int part = 0; part < kMaskPerBlock; ++part) {
    const std::int64_t column = begin + part * kMaskLanes + lane - work.first_column;
    if (column < 0 || column >= work.width) continue;
    const std::int64_t i = r * work.width + column;
    const float kept = to_float(work.input[i]) * mask_factor(block, part, work.mask);
    from_float(work.added != nullptr ? to_float(work.added[i]) + kept : kept, work.output[i]);
  }
}

}  // namespace polymoe::kernels::cuda
