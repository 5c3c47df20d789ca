#include "polymoe/data/permutation.h"

#include <cstdint>
#include <vector>

#include <gtest/gtest.h>

namespace polymoe {
namespace {

TEST(Permutation, IsOneToOneForEverySize) {
  std::vector<std::uint64_t> sizes = {1000, 1023, 1024, 1025, 65537};
  for (std::uint64_t size = 1; size <= 130; ++size) sizes.push_back(size);
  for (const std::uint64_t size : sizes) {
    for (const std::uint64_t key : {0ull, 1ull, 0xfedcba9876543210ull}) {
      const Permutation permutation(size, key);
      std::vector<bool> seen(size);
      for (std::uint64_t i = 0; i < size; ++i) {
        const std::uint64_t to = permutation(i);
        ASSERT_LT(to, size);
        ASSERT_FALSE(seen[to]) << size << " " << key << " " << i;
        seen[to] = true;
      }
    }
  }
}

TEST(Permutation, SendsEachIndexEverywhereEquallyOften) {
  constexpr std::uint64_t kSize = 10, kKeys = 20000;
  for (const std::uint64_t index : {0ull, 7ull}) {
    std::vector<double> counts(kSize);
    for (std::uint64_t key = 0; key < kKeys; ++key) ++counts[Permutation(kSize, key)(index)];
    double chi_square = 0;
    for (const double count : counts) chi_square += (count - 2000) * (count - 2000) / 2000;
    EXPECT_LT(chi_square, 33.7);  // 9 degrees of freedom: 1 in 10,000 above it, and the keys are fixed
  }
}

TEST(Permutation, KeepsNoNeighbourhood) {
  // In a random order neighbours stay neighbours with probability 2 / size: about 2 of 10,000 steps.
  const Permutation permutation(10000, 3);
  int neighbours = 0;
  for (std::uint64_t i = 0; i + 1 < 10000; ++i) {
    const auto difference = static_cast<std::int64_t>(permutation(i + 1) - permutation(i));
    neighbours += difference == 1 || difference == -1;
  }
  EXPECT_LE(neighbours, 12);
}

TEST(Permutation, WorksForSizesBeyond32Bits) {
  const Permutation permutation((std::uint64_t{1} << 40) + 1, 9);
  EXPECT_LE(permutation(std::uint64_t{1} << 40), std::uint64_t{1} << 40);
  EXPECT_NE(permutation(0), permutation(1));
}

}  // namespace
}  // namespace polymoe
