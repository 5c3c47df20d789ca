#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>

#include "polymoe/text/vocabulary.h"

namespace polymoe {

/// How often each character occurs, printable ASCII aside, which no normalisation touches.
class CharacterCounts {
 public:
  void add(std::string_view text);
  void add(const CharacterCounts& other);

  const std::unordered_map<char32_t, std::uint64_t>& counts() const { return counts_; }

 private:
  std::unordered_map<char32_t, std::uint64_t> counts_;
};

/// How many of the characters a vocabulary's normalisation changes or removes, so that no model with it can ever write
/// them.
std::uint64_t count_unwritable(const CharacterCounts& characters, const Vocabulary& vocabulary);

/// A remark on which they are and in which languages; none where there are none.
void remark_unwritable(const std::map<std::string, CharacterCounts>& by_language, const Vocabulary& vocabulary);

}  // namespace polymoe
