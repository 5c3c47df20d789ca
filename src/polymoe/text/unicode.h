#pragma once

#include <string>
#include <string_view>
#include <vector>

/// What words and metrics need to know of Unicode, with the answers that sacreBLEU gets from Python and its `regex`
/// module.
namespace polymoe {

enum class UnicodeCategory { kOther, kPunctuation, kSymbol, kNumber };

/// The general category's first letter: P*, S*, N* or anything else.
UnicodeCategory unicode_category(char32_t code_point);

/// White space as Python's str.split() sees it (the separators U+001C to U+001F among it).
bool is_space(char32_t code_point);

/// Whether a character is part of a word with the letters beside it: letters, marks, digits and '_', but not those of
/// scripts that write no spaces between words (Han, kana, Thai, Lao, Burmese, Khmer).
bool continues_word(char32_t code_point);

/// Full lower-casing without regard to language: U+0130 becomes two code points, a capital sigma at the end of a word
/// becomes a final sigma.
std::u32string to_lower(std::u32string_view text);

/// The text without white space at its end.
std::u32string_view strip_end(std::u32string_view text);

/// The pieces between runs of white space, as views into `text`; none is empty.
std::vector<std::u32string_view> split_words(std::u32string_view text);

}  // namespace polymoe
