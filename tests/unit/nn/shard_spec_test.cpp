#include "polymoe/nn/shard_spec.h"

#include <algorithm>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace polymoe {
namespace {

using ::testing::ElementsAre;
using Part = Run;  // in a test, Run is a member of GoogleTest's

// The logical element of every local one, index by index.
std::vector<std::int64_t> logical_elements(const ShardSpec& shard) {
  std::vector<std::int64_t> elements{0};
  for (std::size_t dim = 0; dim < shard.logical_shape.size(); ++dim) {
    std::vector<std::int64_t> longer;
    for (const std::int64_t element : elements) {
      for (const IndexRange& range : shard.ranges[dim]) {
        for (std::int64_t i = range.begin; i < range.begin + range.count; ++i) {
          longer.push_back(element * shard.logical_shape[dim] + i);
        }
      }
    }
    elements = std::move(longer);
  }
  return elements;
}

// The runs of elements [begin, end), element after element.
std::vector<Run> slow_runs(const ShardSpec& shard, std::int64_t begin, std::int64_t end) {
  const std::vector<std::int64_t> elements = logical_elements(shard);
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

TEST(ShardSpec, AWholeTensorIsOneRun) {
  const ShardSpec whole = unsharded_spec({3, 4});
  EXPECT_TRUE(whole.is_whole());
  EXPECT_THAT(runs_of(whole), ElementsAre(Part{0, 0, 12}));
  EXPECT_THAT(runs_of(whole, 5, 7), ElementsAre(Part{5, 5, 2}));
  EXPECT_TRUE(runs_of(whole, 5, 5).empty());
  EXPECT_EQ(shard_spec({6, 4}, 0, 3, 0, 1), unsharded_spec({6, 4})) << "one part is all";
}

TEST(ShardSpec, RowsOfAMatrixAreOneRunForEachBlock) {
  // Queries, keys and values of 4 rows each; the second half of each.
  const ShardSpec shard = shard_spec({12, 5}, 0, 3, 1, 2);
  EXPECT_EQ(shard.local_shape(), (std::vector<std::int64_t>{6, 5}));
  EXPECT_FALSE(shard.is_whole());
  EXPECT_THAT(runs_of(shard), ElementsAre(Part{0, 10, 10}, Part{10, 30, 10}, Part{20, 50, 10}));
  EXPECT_THAT(runs_of(shard, 8, 11), ElementsAre(Part{8, 18, 2}, Part{10, 30, 1}));
}

TEST(ShardSpec, ColumnsOfAMatrixAreOneRunForEachRow) {
  const ShardSpec shard = shard_spec({3, 8}, 1, 1, 1, 4);
  EXPECT_THAT(runs_of(shard), ElementsAre(Part{0, 2, 2}, Part{2, 10, 2}, Part{4, 18, 2}));
}

TEST(ShardSpec, UnevenSlicesCoverEverythingOnce) {
  std::vector<std::int64_t> sizes;
  std::int64_t next = 0;
  for (std::int64_t part = 0; part < 4; ++part) {
    const ShardSpec shard = shard_spec({50, 2}, 0, 1, part, 4);
    const std::vector<Part> runs = runs_of(shard);
    ASSERT_EQ(runs.size(), 1u);
    EXPECT_EQ(runs[0].logical, next);
    next += runs[0].count;
    sizes.push_back(shard.local_shape()[0]);
  }
  EXPECT_EQ(next, 100);
  EXPECT_THAT(sizes, ElementsAre(12, 13, 12, 13));
}

TEST(ShardSpec, APartMayBeEmpty) {
  const ShardSpec shard = shard_spec({1, 3}, 0, 1, 0, 2);
  EXPECT_EQ(shard.local_shape(), (std::vector<std::int64_t>{0, 3}));
  EXPECT_TRUE(runs_of(shard).empty());
}

TEST(ShardSpec, RunsAreThoseOfAWalkThroughTheElements) {
  // Experts cut along two dimensions, ranges that meet across rows, blocks, uneven parts, one dimension.
  ShardSpec experts = shard_spec({4, 6, 5}, 0, 1, 1, 2);
  experts.ranges[2] = {{1, 2}, {4, 1}};
  ShardSpec wrapping = unsharded_spec({3, 4});
  wrapping.ranges[1] = {{0, 1}, {3, 1}};
  ShardSpec adjacent = unsharded_spec({2, 6, 2});
  adjacent.ranges[1] = {{1, 2}, {3, 2}};
  for (const ShardSpec& shard : {experts, wrapping, adjacent, unsharded_spec({2, 3, 2}), shard_spec({12}, 0, 3, 1, 3),
                                 shard_spec({7, 3}, 0, 1, 1, 3), shard_spec({3, 9, 2}, 1, 3, 1, 2)}) {
    std::int64_t size = 1;
    for (const std::int64_t length : shard.local_shape()) size *= length;
    EXPECT_EQ(runs_of(shard), slow_runs(shard, 0, size));
    for (std::int64_t begin = 0; begin <= size; ++begin) {
      for (std::int64_t end = begin; end <= size; ++end) {
        ASSERT_EQ(runs_of(shard, begin, end), slow_runs(shard, begin, end)) << begin << " to " << end;
      }
    }
  }
}

}  // namespace
}  // namespace polymoe
