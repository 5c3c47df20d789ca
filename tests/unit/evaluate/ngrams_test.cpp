#include "polymoe/evaluate/ngrams.h"

#include <gtest/gtest.h>

#include <vector>

namespace polymoe {
namespace {

using Hashes = std::vector<std::uint64_t>;

TEST(Ngrams, EqualNgramsHaveEqualHashesAndOthersDoNot) {
  const Hashes tokens = {1, 2, 1, 2, 2};
  Hashes hashes;
  lengthen_ngrams(tokens, 1, hashes);
  ASSERT_EQ(hashes.size(), 5u);
  EXPECT_EQ(hashes[0], hashes[2]);
  EXPECT_NE(hashes[0], hashes[1]);
  lengthen_ngrams(tokens, 2, hashes);  // 12 21 12 22
  ASSERT_EQ(hashes.size(), 4u);
  EXPECT_EQ(hashes[0], hashes[2]);
  EXPECT_NE(hashes[0], hashes[1]);
  EXPECT_NE(hashes[0], hashes[3]);
}

TEST(Ngrams, ThereAreNoneLongerThanTheText) {
  const Hashes tokens = {7};
  Hashes hashes;
  lengthen_ngrams(tokens, 1, hashes);
  EXPECT_EQ(hashes.size(), 1u);
  for (std::size_t order = 2; order <= 4; ++order) {
    lengthen_ngrams(tokens, order, hashes);
    EXPECT_TRUE(hashes.empty());
  }
}

TEST(NgramCounts, ForgetsEverythingAtReset) {
  NgramCounts counts;
  counts.reset(2);
  counts.count(5) = 3;
  counts.count(5 + 8) += 1;  // the neighbouring slot
  EXPECT_EQ(*counts.find(5), 3u);
  EXPECT_EQ(*counts.find(13), 1u);
  EXPECT_EQ(counts.find(6), nullptr);
  counts.reset(1);
  EXPECT_EQ(counts.find(5), nullptr);
  EXPECT_EQ(counts.count(5), 0u);
  counts.reset(1000);  // grows
  EXPECT_EQ(counts.find(5), nullptr);
}

TEST(NgramCounts, MatchesAreTakenOnce) {
  NgramCounts counts;
  counts.reset(2);
  counts.count(1) = 2;
  counts.count(2) = 1;
  EXPECT_EQ(take_matches(Hashes{1, 1, 1, 2, 3}, counts), 3u);
  EXPECT_EQ(take_matches(Hashes{1, 2}, counts), 0u);
}

}  // namespace
}  // namespace polymoe
