#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "polymoe/base/random.h"

namespace polymoe {

/// Lengths of an example with its tags and end marks.
struct Lengths {
  std::int32_t source;
  std::int32_t target;
};

/// An order in which neighbours have like lengths on both sides, so that micro-batches need little padding: sorted by
/// target length, divided into strips with equal numbers of tokens, each strip sorted by source length, rising and
/// falling in turn (the tiling by sorting of Leutenegger, Lopez and Edgington, "STR", ICDE 1997, for a micro-batch as a
/// tile). Among equals the order is random, so that languages mix.
std::vector<std::size_t> order_by_lengths(const std::vector<Lengths>& examples, std::int64_t max_tokens,
                                          const RandomStream& ties);

/// Cuts a sequence of examples into runs with rows * (longest source + longest target) <= max_tokens, and returns the
/// end of each run. An example that breaks the budget alone is a run of its own.
std::vector<std::size_t> cut_by_tokens(const std::vector<Lengths>& examples, std::int64_t max_tokens);

}  // namespace polymoe
