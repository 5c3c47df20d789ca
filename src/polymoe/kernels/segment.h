#pragma once

#include <cstdint>

namespace polymoe::kernels {

/// Slots that lie together: of one expert and one micro-batch. Five int64, so that a table of segments is a tensor
/// [segments, 5] int64 on any device.
struct Segment {
  std::int64_t expert;      ///< by its number in the run
  std::int64_t begin;       ///< the first slot
  std::int64_t count;       ///< of slots
  std::int64_t first_name;  ///< of the first slot, in random numbers
  std::int64_t packed_key;  ///< pack_key() of these
};

constexpr std::int64_t kSegmentColumns = 5;
static_assert(sizeof(Segment) == kSegmentColumns * sizeof(std::int64_t));

}  // namespace polymoe::kernels
