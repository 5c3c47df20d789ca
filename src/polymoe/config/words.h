#pragma once

#include <algorithm>
#include <iterator>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "polymoe/base/error.h"

namespace polymoe {

/// The words of an enum's values, in the order of the values, which count from 0: `kAll`, an array of string views. It
/// is specialised for every enum that an option holds, and the one place where words and values meet: configuration,
/// help, errors and records go through it.
template <typename Enum>
struct Words;

template <typename Enum>
std::string word_of(Enum value) {
  return std::string(Words<Enum>::kAll[static_cast<std::size_t>(value)]);
}

template <typename Enum>
std::vector<std::string> words_of() {
  return {std::begin(Words<Enum>::kAll), std::end(Words<Enum>::kAll)};
}

/// Throws Error for a word that is none of them.
template <typename Enum>
Enum from_word(std::string_view word) {
  const auto& all = Words<Enum>::kAll;
  const auto found = std::find(std::begin(all), std::end(all), word);
  if (found == std::end(all)) fail("'{}' is none of: {}", word, fmt::join(all, ", "));
  return static_cast<Enum>(found - std::begin(all));
}

/// An enum that has words.
template <typename Enum>
concept Worded = std::is_enum_v<Enum> && requires {
  Words<Enum>::kAll;
};

}  // namespace polymoe

/// Messages show the word.
template <polymoe::Worded Enum>
struct fmt::formatter<Enum> : fmt::formatter<std::string_view> {
  template <typename Context>
  auto format(Enum value, Context& context) const {
    return fmt::formatter<std::string_view>::format(polymoe::Words<Enum>::kAll[static_cast<std::size_t>(value)],
                                                    context);
  }
};
