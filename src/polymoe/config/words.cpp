#include "polymoe/config/words.h"

#include <algorithm>

#include <fmt/ranges.h>

#include "polymoe/base/error.h"

namespace polymoe {

std::size_t index_of_word(std::string_view word, std::span<const std::string_view> words) {
  const auto found = std::find(words.begin(), words.end(), word);
  if (found == words.end()) fail("'{}' is none of: {}", word, fmt::join(words, ", "));
  return static_cast<std::size_t>(found - words.begin());
}

}  // namespace polymoe
