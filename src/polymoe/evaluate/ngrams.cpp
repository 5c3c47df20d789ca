#include "polymoe/evaluate/ngrams.h"

#include <bit>

#include "polymoe/base/random.h"

namespace polymoe {
namespace {

constexpr std::uint64_t kEmptyHash = 0x706F6C796D6F65ull;

}  // namespace

std::uint64_t hash_word(std::u32string_view word) {
  std::uint64_t hash = kEmptyHash;
  for (const char32_t c : word) hash = mix_bits(hash ^ c);
  return hash;
}

void lengthen_ngrams(std::span<const std::uint64_t> tokens, std::size_t order, std::vector<std::uint64_t>& hashes) {
  if (order == 1) hashes.assign(tokens.size(), kEmptyHash);
  hashes.resize(tokens.size() < order ? 0 : tokens.size() - order + 1);
  for (std::size_t i = 0; i < hashes.size(); ++i) hashes[i] = mix_bits(hashes[i] ^ tokens[i + order - 1]);
}

void NgramCounts::reset(std::size_t max_entries) {
  const std::size_t needed = std::bit_ceil(2 * max_entries + 2);
  if (slots_.size() < needed) slots_.assign(needed, Slot{});
  if (++generation_ == 0) {  // wrapped around: slots of the first generations would look used
    slots_.assign(slots_.size(), Slot{});
    generation_ = 1;
  }
}

NgramCounts::Slot& NgramCounts::slot(std::uint64_t key) {
  const std::size_t mask = slots_.size() - 1;
  std::size_t i = key & mask;
  while (slots_[i].generation == generation_ && slots_[i].key != key) i = (i + 1) & mask;
  return slots_[i];
}

std::uint32_t& NgramCounts::count(std::uint64_t key) {
  Slot& found = slot(key);
  if (found.generation != generation_) found = {key, 0, generation_};
  return found.count;
}

std::uint32_t* NgramCounts::find(std::uint64_t key) {
  Slot& found = slot(key);
  return found.generation == generation_ ? &found.count : nullptr;
}

std::uint64_t take_matches(std::span<const std::uint64_t> hashes, NgramCounts& counts) {
  std::uint64_t matches = 0;
  for (const std::uint64_t hash : hashes) {
    std::uint32_t* left = counts.find(hash);
    if (left == nullptr || *left == 0) continue;
    --*left;
    ++matches;
  }
  return matches;
}

}  // namespace polymoe
