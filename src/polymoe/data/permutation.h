#pragma once

#include <cstdint>

namespace polymoe {

/// A pseudo-random permutation of [0, size) that needs no memory: a Feistel network over the smallest even number of
/// bits that holds the size, walked along its cycle until it lands inside (Black and Rogaway, "Ciphers with arbitrary
/// finite domains", 2002). A pure function of (size, key).
class Permutation {
 public:
  /// size > 0.
  Permutation(std::uint64_t size, std::uint64_t key);

  /// Where `index` goes; index < size.
  std::uint64_t operator()(std::uint64_t index) const;

 private:
  std::uint64_t size_;
  std::uint64_t key_;
  int half_bits_;
};

}  // namespace polymoe
