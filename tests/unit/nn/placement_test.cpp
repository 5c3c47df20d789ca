#include "polymoe/nn/placement.h"

#include <algorithm>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace polymoe {
namespace {

using ::testing::ElementsAre;
using Part = Run;  // in a test, Run is a member of GoogleTest's

// The logical element of every local one, index by index.
std::vector<std::int64_t> logical_elements(const Placement& placement) {
  std::vector<std::int64_t> elements{0};
  for (std::size_t dim = 0; dim < placement.logical_shape.size(); ++dim) {
    std::vector<std::int64_t> longer;
    for (const std::int64_t element : elements) {
      for (const IndexRange& range : placement.ranges[dim]) {
        for (std::int64_t i = range.begin; i < range.begin + range.count; ++i) {
          longer.push_back(element * placement.logical_shape[dim] + i);
        }
      }
    }
    elements = std::move(longer);
  }
  return elements;
}

// The runs of elements [begin, end), element after element.
std::vector<Run> slow_runs(const Placement& placement, std::int64_t begin, std::int64_t end) {
  const std::vector<std::int64_t> elements = logical_elements(placement);
  std::vector<Run> runs;
  for (std::int64_t local = begin; local < end; ++local) {
    const std::int64_t logical = elements[static_cast<std::size_t>(local)];
    if (!runs.empty() && runs.back().logical + runs.back().count == logical) {
      ++runs.back().count;
    } else {
      runs.push_back({local, logical, 1});
    }
  }
  return runs;
}

TEST(Placement, AWholeTensorIsOneRun) {
  const Placement whole = whole_placement({3, 4});
  EXPECT_TRUE(whole.is_whole());
  EXPECT_THAT(runs_of(whole), ElementsAre(Part{0, 0, 12}));
  EXPECT_THAT(runs_of(whole, 5, 7), ElementsAre(Part{5, 5, 2}));
  EXPECT_TRUE(runs_of(whole, 5, 5).empty());
  EXPECT_EQ(sliced_placement({6, 4}, 0, 3, 0, 1), whole_placement({6, 4})) << "one part is all";
}

TEST(Placement, RowsOfAMatrixAreOneRunForEachBlock) {
  // Queries, keys and values of 4 rows each; the second half of each.
  const Placement placement = sliced_placement({12, 5}, 0, 3, 1, 2);
  EXPECT_EQ(placement.local_shape(), (std::vector<std::int64_t>{6, 5}));
  EXPECT_FALSE(placement.is_whole());
  EXPECT_THAT(runs_of(placement), ElementsAre(Part{0, 10, 10}, Part{10, 30, 10}, Part{20, 50, 10}));
  EXPECT_THAT(runs_of(placement, 8, 11), ElementsAre(Part{8, 18, 2}, Part{10, 30, 1}));
}

TEST(Placement, ColumnsOfAMatrixAreOneRunForEachRow) {
  const Placement placement = sliced_placement({3, 8}, 1, 1, 1, 4);
  EXPECT_THAT(runs_of(placement), ElementsAre(Part{0, 2, 2}, Part{2, 10, 2}, Part{4, 18, 2}));
}

TEST(Placement, UnevenSlicesCoverEverythingOnce) {
  std::vector<std::int64_t> sizes;
  std::int64_t next = 0;
  for (std::int64_t part = 0; part < 4; ++part) {
    const Placement placement = sliced_placement({50, 2}, 0, 1, part, 4);
    const std::vector<Part> runs = runs_of(placement);
    ASSERT_EQ(runs.size(), 1u);
    EXPECT_EQ(runs[0].logical, next);
    next += runs[0].count;
    sizes.push_back(placement.local_shape()[0]);
  }
  EXPECT_EQ(next, 100);
  EXPECT_THAT(sizes, ElementsAre(12, 13, 12, 13));
}

TEST(Placement, APartMayBeEmpty) {
  const Placement placement = sliced_placement({1, 3}, 0, 1, 0, 2);
  EXPECT_EQ(placement.local_shape(), (std::vector<std::int64_t>{0, 3}));
  EXPECT_TRUE(runs_of(placement).empty());
}

TEST(Placement, RunsAreThoseOfAWalkThroughTheElements) {
  // Experts cut along two dimensions, ranges that meet across rows, blocks, uneven parts, one dimension.
  Placement experts = sliced_placement({4, 6, 5}, 0, 1, 1, 2);
  experts.ranges[2] = {{1, 2}, {4, 1}};
  Placement wrapping = whole_placement({3, 4});
  wrapping.ranges[1] = {{0, 1}, {3, 1}};
  Placement adjacent = whole_placement({2, 6, 2});
  adjacent.ranges[1] = {{1, 2}, {3, 2}};
  for (const Placement& placement :
       {experts, wrapping, adjacent, whole_placement({2, 3, 2}), sliced_placement({12}, 0, 3, 1, 3),
        sliced_placement({7, 3}, 0, 1, 1, 3), sliced_placement({3, 9, 2}, 1, 3, 1, 2)}) {
    std::int64_t size = 1;
    for (const std::int64_t length : placement.local_shape()) size *= length;
    EXPECT_EQ(runs_of(placement), slow_runs(placement, 0, size));
    for (std::int64_t begin = 0; begin <= size; ++begin) {
      for (std::int64_t end = begin; end <= size; ++end) {
        ASSERT_EQ(runs_of(placement, begin, end), slow_runs(placement, begin, end)) << begin << " to " << end;
      }
    }
  }
}

}  // namespace
}  // namespace polymoe
