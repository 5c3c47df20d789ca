#pragma once

#include <cstddef>
#include <iterator>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include <fmt/core.h>

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

/// Where `word` is in `words`. Throws Error where it is not.
std::size_t index_of_word(std::string_view word, std::span<const std::string_view> words);

/// Throws Error for a word that is none of them.
template <typename Enum>
Enum from_word(std::string_view word) {
  return static_cast<Enum>(index_of_word(word, Words<Enum>::kAll));
}

/// An enum that has words.
template <typename Enum>
concept Worded = std::is_enum_v<Enum> && requires {
  Words<Enum>::kAll;
};

}  // namespace polymoe

/// Messages show the word. It takes no width and the like: those would cost every header of options <fmt/format.h>.
template <polymoe::Worded Enum>
struct fmt::formatter<Enum> {
  constexpr auto parse(fmt::format_parse_context& context) { return context.begin(); }

  template <typename Context>
  auto format(Enum value, Context& context) const {
    auto out = context.out();
    for (const char c : polymoe::Words<Enum>::kAll[static_cast<std::size_t>(value)]) *out++ = c;
    return out;
  }
};
