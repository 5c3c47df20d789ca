#pragma once

#include <cmath>
#include <cstdint>

#include "polymoe/base/random.h"

/// How dropout draws its mask (kernels/cpu/dropout.h), for all who make one.
namespace polymoe::kernels {

constexpr int kMaskLanes = 16;    ///< Philox blocks of a chunk: one for each lane of a vector register
constexpr int kMaskPerBlock = 8;  ///< 16-bit numbers in a Philox block
constexpr int kMaskChunk = kMaskLanes * kMaskPerBlock;  ///< columns; chunks stand at multiples of it

/// Keeping is `number >= threshold`; what is kept is multiplied by `scale`.
struct MaskNumbers {
  explicit MaskNumbers(double p)
      : threshold(static_cast<std::uint32_t>(std::lround(p * 65536.0))),
        scale(static_cast<float>(1.0 / (1.0 - threshold / 65536.0))) {}

  std::uint32_t threshold;
  float scale;
};

/// The block of one lane of the chunk that begins at column `begin`. Its 16-bit parts, in the order of mask_factor(),
/// belong to the columns begin + part * kMaskLanes + lane.
constexpr PhiloxCounter mask_block(std::uint64_t row, std::uint64_t begin, int lane, PhiloxKey key) {
  const auto first = static_cast<std::uint32_t>(begin / kMaskPerBlock);
  return philox({first + static_cast<std::uint32_t>(lane), static_cast<std::uint32_t>(row),
                 static_cast<std::uint32_t>(row >> 32), 2u},
                key);
}

/// How many blocks a row of `width` columns from `first_column` takes: a lane of a chunk each.
constexpr std::int64_t mask_items(std::int64_t first_column, std::int64_t width) {
  const std::int64_t first = first_column / kMaskChunk, end = (first_column + width + kMaskChunk - 1) / kMaskChunk;
  return (end - first) * kMaskLanes;
}

/// Whether the element of part 0 to 7 of a block is kept.
constexpr bool mask_keeps(const PhiloxCounter& block, int part, const MaskNumbers& mask) {
  const std::uint32_t word = block[static_cast<std::size_t>(part / 2)];
  return (part % 2 == 0 ? word & 0xFFFFu : word >> 16) >= mask.threshold;
}

/// What it is multiplied by.
constexpr float mask_factor(const PhiloxCounter& block, int part, const MaskNumbers& mask) {
  return mask_keeps(block, part, mask) ? mask.scale : 0.0f;
}

/// Of item number `item` of mask_items(): the first column of its chunk, and its block, in a row named `row` whose
/// columns begin at `first_column`.
constexpr std::int64_t mask_chunk(std::int64_t item, std::int64_t first_column) {
  return (first_column / kMaskChunk + item / kMaskLanes) * kMaskChunk;
}
constexpr PhiloxCounter mask_block_of_item(std::int64_t row, std::int64_t item, std::int64_t first_column,
                                           PhiloxKey key) {
  return mask_block(static_cast<std::uint64_t>(row), static_cast<std::uint64_t>(mask_chunk(item, first_column)),
                    static_cast<int>(item % kMaskLanes), key);
}

/// Calls f(column, factor) for the elements of a row that one block decides: item number `item` of mask_items(), of a
/// row named `row` whose `width` columns begin at `first_column`. `column` counts from there.
template <typename Function>
constexpr void for_each_masked(std::int64_t row, std::int64_t item, std::int64_t first_column, std::int64_t width,
                               const MaskNumbers& mask, PhiloxKey key, const Function& f) {
  const std::int64_t begin = mask_chunk(item, first_column);
  const int lane = static_cast<int>(item % kMaskLanes);
  const PhiloxCounter block = mask_block_of_item(row, item, first_column, key);
  for (int part = 0; part < kMaskPerBlock; ++part) {
    const std::int64_t column = begin + part * kMaskLanes + lane - first_column;
    if (column >= 0 && column < width) f(column, mask_factor(block, part, mask));
  }
}

}  // namespace polymoe::kernels
