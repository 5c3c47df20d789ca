#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

/// From message texts to segments that a translation model can learn from.
namespace polymoe {

/// Splits a message into its paragraphs and list items: at blank lines and before lines that begin with a bullet or,
/// indented, with a command-line option. Other line ends are only the layout of one paragraph.
std::vector<std::string_view> split_paragraphs(std::string_view text);

/// One line of plain text: white space of any kind becomes single spaces, none at the ends; control characters and
/// invisible marks (byte-order mark, soft hyphen, zero-width space, direction marks) are dropped. Joiners, which carry
/// meaning in Persian and Indic scripts, stay. `text` must be UTF-8.
std::string clean_line(std::string_view text);

/// The number of code points.
std::size_t count_characters(std::string_view text);

/// Whether a text holds a letter of any script, told roughly.
bool has_letters(std::string_view text);

/// Why a pair of segments is left out; kKeep where it is not.
enum class PairFault { kKeep, kNoLetters, kTooLong, kLengthRatio, kDirectives, kUntranslated, kMarkup };
inline constexpr std::size_t kNumPairFaults = 7;

/// A word for a fault, for reports: "length ratio".
const char* name_of(PairFault fault);

/// Judges a pair of clean lines. `max_chars` counts code points of either side.
PairFault judge_pair(std::string_view english, std::string_view translation, std::size_t max_chars);

/// What makes two English segments the same for the division into splits: their ASCII letters in lower case and what is
/// outside ASCII, words apart by one space; without directives, digits and punctuation.
std::string split_key(std::string_view english);

}  // namespace polymoe
