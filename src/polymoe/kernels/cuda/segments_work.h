#pragma once

#include <cstdint>

#include "polymoe/base/random.h"
#include "polymoe/kernels/activation.h"
#include "polymoe/kernels/bfloat16.h"
#include "polymoe/kernels/cuda/dropout_work.h"
#include "polymoe/kernels/cuda/segments.h"
#include "polymoe/kernels/cuda/work.h"

namespace polymoe::kernels::cuda {

/// A row's place: its segment's line in the table, and its number in the segment. No line: the row is not in use.
struct RowPlace {
  const Segment* line = nullptr;
  std::int64_t number = 0;
};

POLYMOE_HOST_DEVICE inline RowPlace place_of_row(const Segments& segments, std::int64_t row) {
  // The last segment that begins at the row or before it: the empty ones of that place come before the one with rows.
  std::int64_t low = 0, high = segments.count;
  while (low < high) {
    const std::int64_t middle = (low + high) / 2;
    if (segments.table[middle].begin <= row) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  if (low == 0) return {};
  const Segment* line = segments.table + (low - 1);
  if (row >= line->begin + line->count) return {};
  return {line, row - line->begin};
}

/// One line of make_segments().
POLYMOE_HOST_DEVICE inline void make_segment(const std::int32_t* expert_end, std::int64_t expert,
                                             std::int64_t packed_key, Segment* table) {
  const std::int64_t begin = expert > 0 ? expert_end[expert - 1] : 0;
  table[expert] = {expert, begin, expert_end[expert] - begin, expert << 32, packed_key};
}

/// kCount elements of a row.
template <typename T, int kCount>
POLYMOE_HOST_DEVICE void add_bias_elements(T* values, const T* bias, T* active, Activation activation,
                                           std::int64_t width, const Segments& segments, std::int64_t row,
                                           std::int64_t first) {
  using Elements = Pack<T, kCount>;
  const RowPlace place = place_of_row(segments, row);
  if (place.line == nullptr) return;
  Elements sums = *reinterpret_cast<const Elements*>(values + row * width + first);
  const Elements add = *reinterpret_cast<const Elements*>(bias + place.line->expert * width + first);
  Elements results;
  for (int i = 0; i < kCount; ++i) {
    from_float(to_float(sums.values[i]) + to_float(add.values[i]), sums.values[i]);
    if (active != nullptr) from_float(activate(to_float(sums.values[i]), activation), results.values[i]);
  }
  if (active != values) *reinterpret_cast<Elements*>(values + row * width + first) = sums;
  if (active != nullptr) *reinterpret_cast<Elements*>(active + row * width + first) = results;
}

/// One Philox block of a row, as dropout_item() takes it.
template <typename T>
POLYMOE_HOST_DEVICE void segment_dropout_item(T* values, std::int64_t width, std::int64_t first_column,
                                              const MaskNumbers& mask, const Segments& segments, std::int64_t row,
                                              std::int64_t item) {
  const RowPlace place = place_of_row(segments, row);
  if (place.line == nullptr) return;
  for_each_masked(place.line->first_name + place.number, item, first_column, width, mask,
                  unpack_key(place.line->packed_key), [&](std::int64_t column, float factor) {
                    T& value = values[row * width + column];
                    from_float(to_float(value) * factor, value);
                  });
}

/// The Philox block of an item of a row; of a row that is not in use, any.
POLYMOE_HOST_DEVICE inline PhiloxCounter segment_block(const RowPlace& place, std::int64_t in_row,
                                                       std::int64_t first_column) {
  if (place.line == nullptr) return {};
  return mask_block_of_item(place.line->first_name + place.number, in_row, first_column,
                            unpack_key(place.line->packed_key));
}

}  // namespace polymoe::kernels::cuda
