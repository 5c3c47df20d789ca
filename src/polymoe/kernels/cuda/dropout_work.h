#pragma once

#include <cstdint>

#include "polymoe/kernels/bfloat16.h"
#include "polymoe/kernels/dropout_mask.h"
#include "polymoe/kernels/host_device.h"

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
  const std::int64_t row = work.row_ids != nullptr ? work.row_ids[r] : work.first_row + r;
  for_each_masked(row, in_row, work.first_column, work.width, work.mask, work.key,
                  [&](std::int64_t column, float factor) {
                    const std::int64_t i = r * work.width + column;
                    const float kept = to_float(work.input[i]) * factor;
                    from_float(work.added != nullptr ? to_float(work.added[i]) + kept : kept, work.output[i]);
                  });
}

}  // namespace polymoe::kernels::cuda
