#include "polymoe/data/noise.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include <gtest/gtest.h>

namespace polymoe {
namespace {

using Positions = std::vector<std::int32_t>;

RandomStream numbers(std::uint64_t draw) { return RandomStream(1, fnv1a("noise test"), draw); }

std::int64_t masks_in(const Positions& positions) {
  return std::count(positions.begin(), positions.end(), kMaskedSpan);
}

TEST(Noise, LeavesTheTextAloneWhenOff) {
  EXPECT_EQ(noisy_positions(5, {0.0, 3.0, 0.0, 0}, numbers(0)), (Positions{0, 1, 2, 3, 4}));
  EXPECT_EQ(noisy_positions(0, {0.3, 3.0, 0.1, 3}, numbers(0)), Positions{});
}

TEST(Noise, LengthIsThatOfThePositions) {
  for (std::uint64_t draw = 0; draw < 2000; ++draw) {
    const auto length = static_cast<std::int64_t>(draw % 40);
    for (const NoiseOptions& options : {NoiseOptions{0.3, 3.0, 0.1, 3}, NoiseOptions{0.9, 1.0, 0.1, 0},
                                        NoiseOptions{1.0, 2.0, 0.0, 5}, NoiseOptions{0.0, 1.0, 1.0, 1}}) {
      const Positions positions = noisy_positions(length, options, numbers(draw));
      EXPECT_EQ(noisy_length(length, options, numbers(draw)), static_cast<std::int64_t>(positions.size()));
      EXPECT_LE(positions.size(), draw % 40);
    }
  }
}

TEST(Noise, MasksAndDeletesTheSharesAsked) {
  // 0.3 of 37 tokens are 11.1 and 0.1 are 3.7; both are rounded at random with the exact mean. Over 20,000 draws the
  // standard deviation of the mean of a number that is one of two neighbours is at most 0.5 / 141 = 0.0035; 0.02 is
  // over five of them.
  constexpr std::int64_t kLength = 37;
  constexpr int kDraws = 20000;
  const NoiseOptions masking{0.3, 3.0, 0.0, 0}, deleting{0.0, 3.0, 0.1, 0};
  double masked = 0, deleted = 0;
  for (std::uint64_t draw = 0; draw < kDraws; ++draw) {
    const Positions with_masks = noisy_positions(kLength, masking, numbers(draw));
    masked += static_cast<double>(kLength - (static_cast<std::int64_t>(with_masks.size()) - masks_in(with_masks)));
    deleted += static_cast<double>(kLength -
                                   static_cast<std::int64_t>(noisy_positions(kLength, deleting, numbers(draw)).size()));
  }
  EXPECT_NEAR(masked / kDraws, 11.1, 0.02);
  EXPECT_NEAR(deleted / kDraws, 3.7, 0.02);
}

TEST(Noise, SpansHaveTheMeanLengthAsked) {
  // In a long text few spans are cut short by the budget of masked tokens. 50 draws of about 1000 spans, each with
  // standard deviation sqrt(3 * 2) = 2.4, give the mean to 0.011; the cut takes less than 0.01 off it.
  const NoiseOptions options{0.3, 3.0, 0.0, 0};
  double tokens = 0, spans = 0;
  for (std::uint64_t draw = 0; draw < 50; ++draw) {
    const Positions positions = noisy_positions(10000, options, numbers(draw));
    spans += static_cast<double>(masks_in(positions));
    tokens += 3000;
  }
  EXPECT_NEAR(tokens / spans, 3.0, 0.06);
}

TEST(Noise, ASpanIsOneMaskAndSpansDoNotTouch) {
  for (std::uint64_t draw = 0; draw < 500; ++draw) {
    const Positions positions = noisy_positions(30, {0.5, 2.0, 0.0, 0}, numbers(draw));
    std::int32_t before = -1;
    bool after_mask = false;
    for (const std::int32_t position : positions) {
      if (position == kMaskedSpan) {
        EXPECT_FALSE(after_mask);
      } else {
        // Tokens keep their order, and one is missing exactly where a mask stands.
        EXPECT_EQ(position - before > 1, after_mask);
        before = position;
      }
      after_mask = position == kMaskedSpan;
    }
    EXPECT_EQ(before < 29, after_mask);
  }
}

TEST(Noise, ChoosesAllGapsEquallyOften) {
  constexpr int kDraws = 20000;
  std::vector<double> masked(10);
  for (std::uint64_t draw = 0; draw < kDraws; ++draw) {
    std::vector<bool> kept(10);
    for (const std::int32_t position : noisy_positions(10, {0.3, 1.0, 0.0, 0}, numbers(draw))) {
      if (position != kMaskedSpan) kept[static_cast<std::size_t>(position)] = true;
    }
    for (std::size_t i = 0; i < 10; ++i) masked[i] += kept[i] ? 0 : 1;
  }
  // Spans of one token that must not touch are likelier at the ends, where only one neighbour is in the way: C(7, 2)
  // of the C(8, 3) ways hold a given end = 0.375; the other shares follow from the same count.
  EXPECT_NEAR(masked[0] / kDraws, 21.0 / 56.0, 5 * std::sqrt(0.25 / kDraws));
  EXPECT_NEAR(masked[9] / kDraws, 21.0 / 56.0, 5 * std::sqrt(0.25 / kDraws));
  EXPECT_NEAR(masked[1] / kDraws, 15.0 / 56.0, 5 * std::sqrt(0.25 / kDraws));
}

TEST(Noise, ShuffleMovesNothingFartherThanTheDistance) {
  for (const std::int64_t distance : {1, 3, 7}) {
    int moved = 0, farthest = 0;
    for (std::uint64_t draw = 0; draw < 500; ++draw) {
      const Positions positions = noisy_positions(20, {0.0, 1.0, 0.0, distance}, numbers(draw));
      for (int i = 0; i < 20; ++i) {
        const int move = std::abs(positions[static_cast<std::size_t>(i)] - i);
        moved += move > 0;
        farthest = std::max(farthest, move);
      }
      Positions sorted = positions;
      std::sort(sorted.begin(), sorted.end());
      for (int i = 0; i < 20; ++i) ASSERT_EQ(sorted[static_cast<std::size_t>(i)], i);
    }
    EXPECT_LE(farthest, distance);
    EXPECT_GT(2 * farthest, distance);  // the farthest moves are rare
    EXPECT_GT(moved, 2000);
  }
}

TEST(Noise, IsAFunctionOfItsStream) {
  const NoiseOptions options;
  EXPECT_EQ(noisy_positions(30, options, numbers(4)), noisy_positions(30, options, numbers(4)));
  EXPECT_NE(noisy_positions(30, options, numbers(4)), noisy_positions(30, options, numbers(5)));
}

}  // namespace
}  // namespace polymoe
