#pragma once

#include <cstdint>

#include "polymoe/kernels/host_device.h"
#include "polymoe/kernels/uniform_number.h"

namespace polymoe::kernels::cuda {

/// How many Philox blocks of four numbers hold `count` numbers from index `first` on.
constexpr std::int64_t uniform_blocks(std::int64_t count, std::int64_t first) { return ((first & 3) + count + 3) / 4; }

/// Fills the values that come from one of those blocks.
POLYMOE_HOST_DEVICE inline void fill_uniform_block(float* values, std::int64_t count, std::int64_t first, float low,
                                                   float high, PhiloxKey key, std::int64_t block) {
  const std::int64_t begin = 4 * block - (first & 3);  // the value of the block's first word, before the array or in it
  const PhiloxCounter words = uniform_words(static_cast<std::uint64_t>(first + begin), key);
  for (int word = 0; word < 4; ++word) {
    const std::int64_t i = begin + word;
    if (i >= 0 && i < count) values[i] = uniform_number(words[static_cast<std::size_t>(word)], low, high);
  }
}

}  // namespace polymoe::kernels::cuda
