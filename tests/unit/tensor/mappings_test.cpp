#include "polymoe/tensor/mappings.h"

#include <gtest/gtest.h>

#include <cstring>
#include <set>

namespace polymoe {
namespace {

constexpr std::size_t kPage = 4096;

TEST(Mappings, WhatIsKeptServesWhateverFitsIntoIt) {
  Mappings mappings;
  auto* const whole = static_cast<char*>(mappings.take(8 * kPage));
  EXPECT_TRUE(mappings.give(whole));
  auto* const first = static_cast<char*>(mappings.take(3 * kPage - 100));
  auto* const second = static_cast<char*>(mappings.take(5 * kPage));
  EXPECT_EQ(first, whole);
  EXPECT_EQ(second, whole + 3 * kPage);
  std::memset(first, 1, 3 * kPage);
  std::memset(second, 2, 5 * kPage);
  EXPECT_EQ(first[3 * kPage - 1], 1);
  EXPECT_EQ(mappings.bytes(), 8 * kPage);
}

TEST(Mappings, NeighboursThatAreKeptAreOnePiece) {
  Mappings mappings;
  void* const whole = mappings.take(9 * kPage);
  mappings.give(whole);
  void *const a = mappings.take(3 * kPage), *const b = mappings.take(3 * kPage), *const c = mappings.take(3 * kPage);
  // The middle one last: it joins both.
  mappings.give(a);
  mappings.give(c);
  mappings.give(b);
  EXPECT_EQ(mappings.take(9 * kPage), whole);
  EXPECT_EQ(mappings.bytes(), 9 * kPage);
}

TEST(Mappings, TheSmallestThatIsLargeEnoughServes) {
  Mappings mappings;
  void* const whole = mappings.take(10 * kPage);
  mappings.give(whole);
  void* const large = mappings.take(5 * kPage);
  const void* const between = mappings.take(kPage);
  void* const small = mappings.take(4 * kPage);
  mappings.give(large);
  mappings.give(small);
  EXPECT_EQ(mappings.take(4 * kPage), small);
  EXPECT_NE(between, nullptr);
}

TEST(Mappings, AllTogetherStayWithinThePeak) {
  Mappings mappings;
  void *const a = mappings.take(4 * kPage), *const b = mappings.take(4 * kPage), *const c = mappings.take(4 * kPage);
  EXPECT_EQ(mappings.bytes(), 12 * kPage);
  mappings.give(a);
  mappings.give(b);
  mappings.give(c);
  void* const most = mappings.take(13 * kPage);  // more than all that is kept
  EXPECT_EQ(mappings.bytes(), 13 * kPage);
  mappings.give(most);
  mappings.take(6 * kPage);
  mappings.take(7 * kPage);
  EXPECT_EQ(mappings.bytes(), 13 * kPage);
}

TEST(Mappings, OthersMemoryIsNotTaken) {
  Mappings mappings;
  alignas(kPage) static char page[kPage];
  EXPECT_FALSE(mappings.give(page));
  EXPECT_FALSE(mappings.give(page + 8));
}

TEST(Mappings, WithHooksPagesGoBackAsTheyCame) {
  std::set<void*> there;
  Mappings mappings(
      {[&](void* data, std::size_t) { there.insert(data); }, [&](void* data) { EXPECT_EQ(there.erase(data), 1u); }});
  mappings.give(mappings.take(640 * kPage));
  void* const half = mappings.take(320 * kPage);  // 640 were too many, and went for the sake of the peak
  EXPECT_EQ(there, std::set<void*>{half});
  EXPECT_EQ(mappings.bytes(), 320 * kPage);
  mappings.give(half);
  EXPECT_EQ(mappings.take(300 * kPage), half);
}

TEST(Mappings, WithHooksSmallPiecesServeAnySmallSize) {
  int mapped = 0;
  Mappings mappings({[&](void*, std::size_t) { ++mapped; }, [](void*) {}});
  for (const std::size_t pages : {200, 3, 150, 40}) mappings.give(mappings.take(pages * kPage));
  EXPECT_EQ(mapped, 1);
}

}  // namespace
}  // namespace polymoe
