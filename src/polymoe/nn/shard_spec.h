#pragma once

#include <cstdint>
#include <vector>

namespace polymoe {

/// Indices [begin, begin + count) of one dimension.
struct IndexRange {
  std::int64_t begin = 0;
  std::int64_t count = 0;

  bool operator==(const IndexRange&) const = default;
};

/// Elements that lie together both here and in the logical tensor: `count` elements from `local` (in the parameter
/// as it is here, row-major) are those from `logical` (in the full tensor, row-major).
struct Run {
  std::int64_t local = 0;
  std::int64_t logical = 0;
  std::int64_t count = 0;

  bool operator==(const Run&) const = default;
};

/// Which part of a logical tensor a parameter holds: in each dimension some ranges of indices, in order. A whole tensor
/// has one full range in each.
struct ShardSpec {
  std::vector<std::int64_t> logical_shape;
  std::vector<std::vector<IndexRange>> ranges;  ///< [dimensions]

  /// The shape of the parameter here.
  std::vector<std::int64_t> local_shape() const;
  /// Whether the parameter is the whole tensor.
  bool is_whole() const;

  bool operator==(const ShardSpec&) const = default;
};

ShardSpec unsharded_spec(const std::vector<std::int64_t>& shape);

/// Part `index` of `parts` of dimension `dim`, which consists of `blocks` equal blocks (queries, keys and values in one
/// matrix, say), each of which is cut. Where `parts` does not divide a block, part i is [size * i / parts,
/// size * (i + 1) / parts).
ShardSpec shard_spec(const std::vector<std::int64_t>& shape, std::int64_t dim, std::int64_t blocks, std::int64_t index,
                     std::int64_t parts);

/// The runs of elements [begin, end) of the parameter as it is here (row-major; end -1: to its end), in order and as
/// long as they can be.
std::vector<Run> runs_of(const ShardSpec& shard, std::int64_t begin = 0, std::int64_t end = -1);

}  // namespace polymoe
