#pragma once

#include <cstdint>

namespace polymoe {

/// A run of elements.
struct Part {
  std::int64_t begin = 0;
  std::int64_t count = 0;
};

/// Part `rank` when `elements` are divided among `size` members as evenly as it goes; the last members get the
/// larger parts.
inline Part part_of(std::int64_t elements, int size, int rank) {
  const std::int64_t least = elements / size;
  const std::int64_t first_larger = size - elements % size;
  const std::int64_t begin = least * rank + (rank > first_larger ? rank - first_larger : 0);
  return {begin, least + (rank >= first_larger ? 1 : 0)};
}

}  // namespace polymoe
