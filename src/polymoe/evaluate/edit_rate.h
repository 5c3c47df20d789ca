#pragma once

#include <cstdint>
#include <span>

namespace polymoe {

/// The edits that turn a hypothesis into the reference, both given by their words' hashes: insertions, deletions and
/// replacements of words, and shifts of runs of words that the reference has elsewhere. Shifts are searched for
/// greedily, within sacreBLEU's limits (runs of 10 words, moved by 50, 1,000 of them tried), and edits within 25 words
/// of the diagonal.
std::uint64_t count_edits(std::span<const std::uint64_t> hypothesis, std::span<const std::uint64_t> reference);

}  // namespace polymoe
