#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace polymoe {

/// Lengths of an example with its tags and end marks.
struct Lengths {
  std::int32_t source;
  std::int32_t target;
};

/// Cuts a sequence of examples into runs with rows * (longest source + longest target) <= max_tokens, and returns the
/// end of each run. An example that breaks the budget alone is a run of its own.
std::vector<std::size_t> cut_by_tokens(const std::vector<Lengths>& examples, std::int64_t max_tokens);

}  // namespace polymoe
