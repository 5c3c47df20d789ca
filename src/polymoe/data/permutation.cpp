#include "polymoe/data/permutation.h"

#include <algorithm>
#include <bit>

#include "polymoe/base/random.h"

namespace polymoe {

Permutation::Permutation(std::uint64_t size, std::uint64_t key)
    : size_(size), key_(key), half_bits_(std::max(1, (static_cast<int>(std::bit_width(size - 1)) + 1) / 2)) {}

std::uint64_t Permutation::operator()(std::uint64_t index) const {
  constexpr std::uint64_t kRounds = 6;
  const std::uint64_t mask = (std::uint64_t{1} << half_bits_) - 1;
  do {
    std::uint64_t left = index >> half_bits_;
    std::uint64_t right = index & mask;
    for (std::uint64_t round = 0; round < kRounds; ++round) {
      const std::uint64_t mixed = mix_bits(key_ ^ (right + (round << 56))) & mask;
      const std::uint64_t new_right = left ^ mixed;
      left = right;
      right = new_right;
    }
    index = (left << half_bits_) | right;
  } while (index >= size_);
  return index;
}

}  // namespace polymoe
