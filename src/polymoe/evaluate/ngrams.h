#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

/// N-grams by 64-bit hash. Only n-grams of one segment and its references meet; among a thousand of them two share a
/// hash with a probability below 1e-13, so the counts are those of the n-grams themselves.
namespace polymoe {

/// The hash of a word.
std::uint64_t hash_word(std::u32string_view word);

/// Turns the hashes of all n-grams of order - 1 of `tokens` into those of `order` (from 1; at 1 the old content does
/// not matter). Afterwards hashes[i] stands for tokens[i, i + order); it is empty where the tokens are too few.
void lengthen_ngrams(std::span<const std::uint64_t> tokens, std::size_t order, std::vector<std::uint64_t>& hashes);

/// Counts by n-gram hash. Cleared in constant time, so one table serves all segments.
class NgramCounts {
 public:
  /// Empties the table and makes room for `max_entries` different keys; count() must not be given more.
  void reset(std::size_t max_entries);

  /// The count of `key`, which is entered with 0 where it is new.
  std::uint32_t& count(std::uint64_t key);

  /// The count of `key`, or nullptr where it was never entered.
  std::uint32_t* find(std::uint64_t key);

 private:
  struct Slot {
    std::uint64_t key = 0;
    std::uint32_t count = 0;
    std::uint32_t generation = 0;  // in use where it equals generation_
  };

  Slot& slot(std::uint64_t key);

  std::vector<Slot> slots_;  // linear probing, at most half full, a power of two
  std::uint32_t generation_ = 0;
};

/// Takes each n-gram of `hashes` once out of `counts` and returns how many were there: the clipped number of matches.
std::uint64_t take_matches(std::span<const std::uint64_t> hashes, NgramCounts& counts);

}  // namespace polymoe
