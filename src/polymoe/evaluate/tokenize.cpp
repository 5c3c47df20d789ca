#include "polymoe/evaluate/tokenize.h"

#include <algorithm>
#include <array>
#include <initializer_list>
#include <iterator>
#include <span>
#include <utility>

#include "polymoe/base/error.h"
#include "polymoe/text/unicode.h"

namespace polymoe {
namespace {

constexpr std::array<std::string_view, 5> kNames = {"13a", "intl", "zh", "char", "none"};

bool is_digit(char32_t c) { return c >= '0' && c <= '9'; }
bool is_not_digit(char32_t c) { return !is_digit(c); }
bool is_period_or_comma(char32_t c) { return c == '.' || c == ','; }
bool is_dash(char32_t c) { return c == '-'; }

/// ASCII punctuation but for the apostrophe, comma, dash and period.
bool is_13a_punctuation(char32_t c) {
  return (c >= '{' && c <= '~') || (c >= '[' && c <= '`') || (c >= '!' && c <= '&') || (c >= '(' && c <= '+') ||
         (c >= ':' && c <= '@') || c == '/';
}

bool is_number(char32_t c) { return unicode_category(c) == UnicodeCategory::kNumber; }
bool is_not_number(char32_t c) { return !is_number(c); }
bool is_punctuation(char32_t c) { return unicode_category(c) == UnicodeCategory::kPunctuation; }
bool is_symbol(char32_t c) { return unicode_category(c) == UnicodeCategory::kSymbol; }

using Block = std::pair<char32_t, char32_t>;  // the first and the last of it

bool is_within(char32_t c, std::span<const Block> blocks) {
  return std::any_of(blocks.begin(), blocks.end(),
                     [c](const Block& block) { return block.first <= c && c <= block.second; });
}

/// The blocks that sacreBLEU takes for Chinese. The first is an accident of its source ('\u20000' reads as U+2000
/// followed by the digit 0), kept because the scores depend on it: curly quotes, dashes and ellipses stand apart.
bool is_chinese(char32_t c) {
  constexpr Block kBlocks[] = {{0x2001, 0x2A6D}, {0x2E80, 0x2EFF}, {0x2F00, 0x2FDF}, {0x2FF0, 0x303F},
                               {0x3100, 0x312F}, {0x31A0, 0x31BF}, {0x31C0, 0x31EF}, {0x3200, 0x33FF},
                               {0x3400, 0x4DB5}, {0x4E00, 0x9FBB}, {0xF900, 0xFA2D}, {0xFA30, 0xFA6A},
                               {0xFA70, 0xFAD9}, {0xFE10, 0xFE1F}, {0xFE30, 0xFE4F}, {0xFF00, 0xFFEF}};
  return is_within(c, kBlocks);
}

/// Marks of Chinese and Japanese punctuation, and those that look like ASCII's but are as wide as an ideograph.
bool is_asian_punctuation(char32_t c) {
  constexpr Block kBlocks[] = {{0x3001, 0x3002}, {0x3008, 0x3011}, {0x3014, 0x301F}, {0x30FB, 0x30FB},
                               {0xFF01, 0xFF02}, {0xFF08, 0xFF09}, {0xFF0C, 0xFF0C}, {0xFF0E, 0xFF0E},
                               {0xFF1A, 0xFF1B}, {0xFF1F, 0xFF1F}, {0xFF61, 0xFF65}};
  return is_within(c, kBlocks);
}

/// What TER's support of Asian languages sets apart: no kana. sacreBLEU ends the enclosed letters at U+3F22, not
/// U+32FF.
bool is_apart_in_asian_text(char32_t c) {
  constexpr Block kBlocks[] = {{0x2E80, 0x2EFF}, {0x31C0, 0x31EF}, {0x3200, 0x3F22}, {0x3300, 0x33FF},
                               {0x3400, 0x4DBF}, {0x4E00, 0x9FFF}, {0xF900, 0xFAFF}, {0xFE30, 0xFE4F}};
  return is_within(c, kBlocks) || is_asian_punctuation(c);
}

bool is_ter_punctuation(char32_t c) { return std::u32string_view(U".,?:;!\"()").find(c) != std::u32string_view::npos; }

/// Replaces occurrences from the left in one pass; a replacement is not searched again.
void replace_all(std::u32string& text, std::u32string_view from, std::u32string_view to) {
  std::size_t at = text.find(from);
  if (at == text.npos) return;
  std::u32string result;
  std::size_t start = 0;
  for (; at != text.npos; at = text.find(from, start)) {
    result.append(text, start, at - start).append(to);
    start = at + from.size();
  }
  text = result.append(text, start);
}

/// Spaces around every character that `apart` accepts.
template <typename Apart>
std::u32string separate(std::u32string_view text, Apart apart) {
  std::u32string result;
  result.reserve(text.size() + text.size() / 4);
  for (const char32_t c : text) {
    if (apart(c)) {
      result += {U' ', c, U' '};
    } else {
      result += c;
    }
  }
  return result;
}

enum class Side { kFirst, kSecond };

/// Spaces around one side of each neighbouring pair (first, second): around the second "ab" becomes "a b ", around
/// the first " a b". Pairs do not overlap and are taken from the left, as in a regular expression's substitution.
template <typename First, typename Second>
std::u32string separate_pairs(std::u32string_view text, First first, Second second, Side side) {
  std::u32string result;
  result.reserve(text.size() + text.size() / 4);
  std::size_t i = 0;
  while (i < text.size()) {
    if (i + 1 == text.size() || !first(text[i]) || !second(text[i + 1])) {
      result += text[i++];
      continue;
    }
    if (side == Side::kFirst) result += U' ';
    result += {text[i], U' ', text[i + 1]};
    if (side == Side::kSecond) result += U' ';
    i += 2;
  }
  return result;
}

/// Periods and commas apart, but within numbers, and dashes behind numbers.
std::u32string separate_numbers(std::u32string_view text) {
  std::u32string line = separate_pairs(text, is_not_digit, is_period_or_comma, Side::kSecond);
  line = separate_pairs(line, is_period_or_comma, is_not_digit, Side::kFirst);
  return separate_pairs(line, is_digit, is_dash, Side::kSecond);
}

/// The rules of mteval-v13a for Western languages.
std::u32string apply_13a_rules(std::u32string_view text) {
  return separate_numbers(separate(text, is_13a_punctuation));
}

/// One after the other, so that "&amp;lt;" ends as "<".
void resolve_entities(std::u32string& line) {
  if (line.find(U'&') == line.npos) return;
  replace_all(line, U"&quot;", U"\"");
  replace_all(line, U"&amp;", U"&");
  replace_all(line, U"&lt;", U"<");
  replace_all(line, U"&gt;", U">");
}

std::u32string tokenize_13a(std::u32string_view segment) {
  std::u32string line(segment);
  replace_all(line, U"<skipped>", U"");
  replace_all(line, U"-\n", U"");
  replace_all(line, U"\n", U" ");
  resolve_entities(line);
  return apply_13a_rules(U' ' + line + U' ');
}

/// A period that ends the segment after a number stays with the number: no character follows it.
std::u32string tokenize_intl(std::u32string_view segment) {
  std::u32string line = separate_pairs(segment, is_not_number, is_punctuation, Side::kSecond);
  line = separate_pairs(line, is_punctuation, is_not_number, Side::kFirst);
  return separate(line, is_symbol);
}

std::u32string tokenize_zh(std::u32string_view segment) {
  segment = strip_end(segment);
  while (!segment.empty() && is_space(segment.front())) segment.remove_prefix(1);
  return apply_13a_rules(separate(segment, is_chinese));
}

}  // namespace

std::string_view tokenizer_name(Tokenizer tokenizer) { return kNames[static_cast<std::size_t>(tokenizer)]; }

Tokenizer parse_tokenizer(std::string_view name) {
  const auto found = std::find(kNames.begin(), kNames.end(), name);
  if (found == kNames.end()) fail("no tokenizer is called '{}'; use 13a, intl, zh, char or none", name);
  return static_cast<Tokenizer>(found - kNames.begin());
}

Tokenizer v0::default_tokenizer(std::string_view language) {
  const std::string_view base = language.substr(0, language.find_first_of("_-@"));
  const auto is_one_of = [base](std::initializer_list<std::string_view> codes) {
    return std::find(codes.begin(), codes.end(), base) != codes.end();
  };
  if (is_one_of({"zh", "zho", "cmn", "yue"})) return Tokenizer::kZh;
  if (is_one_of({"ja", "jpn", "th", "tha", "km", "khm", "my", "mya", "lo", "lao"})) return Tokenizer::kChar;
  return Tokenizer::k13a;
}

std::u32string tokenize(std::u32string_view segment, Tokenizer tokenizer) {
  switch (tokenizer) {
    case Tokenizer::k13a:
      return tokenize_13a(segment);
    case Tokenizer::kIntl:
      return tokenize_intl(segment);
    case Tokenizer::kZh:
      return tokenize_zh(segment);
    case Tokenizer::kChar:
      return separate(segment, [](char32_t) { return true; });
    case Tokenizer::kNone:
      break;
  }
  return std::u32string(segment);
}

std::u32string tokenize_ter(std::u32string_view segment, const TerOptions& options) {
  std::u32string line = options.case_sensitive ? std::u32string(segment) : to_lower(segment);
  if (options.normalized) {
    replace_all(line, U"\n-", U"");
    replace_all(line, U"\n", U" ");
    resolve_entities(line);
    // Tercom's rule takes spaces for punctuation.
    line = separate(U' ' + line + U' ', [](char32_t c) { return is_13a_punctuation(c) || c == ' '; });
    replace_all(line, U"'s ", U" 's ");
    line = separate_numbers(line);
    if (options.asian_support) line = separate(line, is_apart_in_asian_text);
  }
  if (options.no_punctuation) {
    std::erase_if(line, [&options](char32_t c) {
      return is_ter_punctuation(c) || (options.asian_support && is_asian_punctuation(c));
    });
  }
  return line;
}

}  // namespace polymoe
