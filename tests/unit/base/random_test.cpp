#include "polymoe/base/random.h"

#include <set>

#include <gtest/gtest.h>

namespace polymoe {
namespace {

// The known-answer vectors that the authors of Philox publish with their implementation (Random123, philox4x32, 10
// rounds): zeros, ones, and digits of pi.
TEST(Philox, GivesThePublishedWords) {
  EXPECT_EQ(philox({0, 0, 0, 0}, {0, 0}), (PhiloxCounter{0x6627e8d5u, 0xe169c58du, 0xbc57ac4cu, 0x9b00dbd8u}));
  EXPECT_EQ(philox({~0u, ~0u, ~0u, ~0u}, {~0u, ~0u}),
            (PhiloxCounter{0x408f276du, 0x41c83b0eu, 0xa20bc7c6u, 0x6d5451fdu}));
  EXPECT_EQ(philox({0x243f6a88u, 0x85a308d3u, 0x13198a2eu, 0x03707344u}, {0xa4093822u, 0x299f31d0u}),
            (PhiloxCounter{0xd16cfe09u, 0x94fdccebu, 0x5001e420u, 0x24126ea1u}));
}

// The first outputs of SplitMix64 seeded with 0: mix_bits() adds the constant by which its state grows.
TEST(MixBits, IsSplitMix64) {
  EXPECT_EQ(mix_bits(0), 0xe220a8397b1dcdafull);
  EXPECT_EQ(mix_bits(0x9e3779b97f4a7c15ull), 0x6e789e6aa1b965f4ull);
}

TEST(Fnv1a, GivesThePublishedHashes) {
  EXPECT_EQ(fnv1a(""), 0xcbf29ce484222325ull);
  EXPECT_EQ(fnv1a("a"), 0xaf63dc4c8601ec8cull);
  EXPECT_EQ(fnv1a("foobar"), 0x85944171f73967e8ull);
}

TEST(RandomStream, IsAPureFunctionOfItsCoordinates) {
  const RandomStream stream(7, fnv1a("dropout"), 3, 4), same(7, fnv1a("dropout"), 3, 4);
  std::set<std::uint64_t> seen;
  for (std::uint64_t i = 0; i < 100; ++i) {
    EXPECT_EQ(stream.bits(i), same.bits(i));
    seen.insert(stream.bits(i));
  }
  EXPECT_EQ(seen.size(), 100u);
}

TEST(RandomStream, EveryCoordinateChangesTheNumbers) {
  const RandomStream base(7, 1, 3, 4);
  const RandomStream others[] = {{8, 1, 3, 4}, {7, 2, 3, 4}, {7, 1, 4, 3}, {7, 1, 3, 5}, {1, 7, 3, 4}};
  for (const RandomStream& other : others) EXPECT_NE(base.bits(0), other.bits(0));
}

TEST(RandomStream, SeesAllBitsOfTheIndex) {
  const RandomStream stream(1, 2);
  EXPECT_NE(stream.bits(5), stream.bits(5 + (std::uint64_t{1} << 32)));
}

TEST(RandomStream, UniformNumbersFillTheUnitInterval) {
  const RandomStream stream(11, fnv1a("uniform"));
  constexpr int kDraws = 20000;
  double sum = 0;
  int tenths[10] = {};
  for (int i = 0; i < kDraws; ++i) {
    const double u = stream.uniform(i);
    ASSERT_GE(u, 0.0);
    ASSERT_LT(u, 1.0);
    sum += u;
    ++tenths[static_cast<int>(u * 10)];
  }
  // Six standard deviations of the mean (0.2887 / sqrt(draws)) and of a tenth's count (sqrt(draws * 0.09)).
  EXPECT_NEAR(sum / kDraws, 0.5, 0.0123);
  for (const int count : tenths) EXPECT_NEAR(count, kDraws / 10, 255);
}

TEST(RandomStream, BelowReachesEveryValueAndNoOther) {
  const RandomStream stream(5, fnv1a("below"));
  int counts[7] = {};
  for (std::uint64_t i = 0; i < 7000; ++i) {
    const std::uint64_t value = stream.below(i, 7);
    ASSERT_LT(value, 7u);
    ++counts[value];
  }
  for (const int count : counts) EXPECT_NEAR(count, 1000, 180);  // six standard deviations
  EXPECT_EQ(stream.below(3, 1), 0u);
  EXPECT_LT(stream.below(3, ~0ull), ~0ull);
}

}  // namespace
}  // namespace polymoe
