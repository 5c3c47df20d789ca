#include "polymoe/nn/shard_spec.h"

#include <algorithm>

namespace polymoe {
namespace {

std::int64_t product(const std::vector<std::int64_t>& sizes, std::size_t first) {
  std::int64_t result = 1;
  for (std::size_t dim = first; dim < sizes.size(); ++dim) result *= sizes[dim];
  return result;
}

// Appends `run`, or lengthens the last run where both go on from it.
void append(std::vector<Run>& runs, const Run& run) {
  if (!runs.empty()) {
    Run& last = runs.back();
    if (last.local + last.count == run.local && last.logical + last.count == run.logical) {
      last.count += run.count;
      return;
    }
  }
  runs.push_back(run);
}

// The logical index of index `local` of a dimension.
std::int64_t logical_index(const std::vector<IndexRange>& ranges, std::int64_t local) {
  for (const IndexRange& range : ranges) {
    if (local < range.count) return range.begin + local;
    local -= range.count;
  }
  return -1;
}

// The logical element at which row `row` begins, where rows are counted over the local indices of the first `dims`
// dimensions.
std::int64_t logical_begin(const ShardSpec& shard, const std::vector<std::int64_t>& local, std::size_t dims,
                           std::int64_t row) {
  std::int64_t begin = 0;
  for (std::size_t dim = dims; dim-- > 0;) {
    const std::int64_t index = logical_index(shard.ranges[dim], row % local[dim]);
    begin += index * product(shard.logical_shape, dim + 1);
    row /= local[dim];
  }
  return begin;
}

}  // namespace

std::vector<std::int64_t> ShardSpec::local_shape() const {
  std::vector<std::int64_t> shape;
  for (const std::vector<IndexRange>& dim : ranges) {
    std::int64_t size = 0;
    for (const IndexRange& range : dim) size += range.count;
    shape.push_back(size);
  }
  return shape;
}

bool ShardSpec::is_whole() const { return local_shape() == logical_shape; }

ShardSpec unsharded_spec(const std::vector<std::int64_t>& shape) {
  ShardSpec shard{shape, {}};
  for (const std::int64_t size : shape) shard.ranges.push_back({{0, size}});
  return shard;
}

ShardSpec shard_spec(const std::vector<std::int64_t>& shape, std::int64_t dim, std::int64_t blocks, std::int64_t index,
                     std::int64_t parts) {
  ShardSpec shard = unsharded_spec(shape);
  const std::int64_t size = shape.at(static_cast<std::size_t>(dim)) / blocks;
  std::vector<IndexRange>& ranges = shard.ranges[static_cast<std::size_t>(dim)];
  ranges.clear();
  for (std::int64_t block = 0; block < blocks; ++block) {
    const std::int64_t begin = size * index / parts, end = size * (index + 1) / parts;
    if (begin == end) continue;
    // With one part the blocks meet: a whole dimension is one range.
    if (!ranges.empty() && ranges.back().begin + ranges.back().count == block * size + begin) {
      ranges.back().count += end - begin;
    } else {
      ranges.push_back({block * size + begin, end - begin});
    }
  }
  return shard;
}

std::vector<Run> runs_of(const ShardSpec& shard, std::int64_t begin, std::int64_t end) {
  const std::vector<std::int64_t> local = shard.local_shape();
  const std::vector<std::int64_t>& logical = shard.logical_shape;
  if (end < 0) end = product(local, 0);
  if (begin >= end) return {};
  if (shard.is_whole()) return {{begin, begin, end - begin}};

  // Everything behind the last dimension that is cut lies together in both; that dimension and those before it are
  // walked through.
  std::size_t cut = local.size() - 1;
  while (local[cut] == logical[cut]) --cut;
  const std::int64_t inner = product(logical, cut + 1);
  const std::int64_t row_size = local[cut] * inner;
  std::vector<Run> runs;
  for (std::int64_t row = begin / row_size; row * row_size < end; ++row) {
    const std::int64_t row_begin = logical_begin(shard, local, cut, row);
    std::int64_t next = row * row_size;
    for (const IndexRange& range : shard.ranges[cut]) {
      const std::int64_t first = next;
      next += range.count * inner;
      const std::int64_t from = std::max(first, begin), to = std::min(next, end);
      if (from < to) append(runs, {from, row_begin + range.begin * inner + from - first, to - from});
    }
  }
  return runs;
}

}  // namespace polymoe
