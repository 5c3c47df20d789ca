#include "polymoe/text/unicode.h"

#include <algorithm>
#include <iterator>
#include <span>

#include "polymoe/text/unicode_table.h"

namespace polymoe {
namespace {

/// The range of a sorted table that holds `code_point`, or nullptr.
template <typename Range, std::size_t size>
const Range* find_range(const Range (&table)[size], char32_t code_point) {
  const auto* found = std::lower_bound(std::begin(table), std::end(table), code_point,
                                       [](const Range& range, char32_t value) { return range.last < value; });
  return found != std::end(table) && found->first <= code_point ? found : nullptr;
}

struct CodePoints {
  char32_t first, last;
};

/// Scripts that write no spaces between words: Thai, Lao, Burmese, Khmer, kana, Han.
constexpr CodePoints kUnspaced[] = {{0x0E00, 0x0EFF}, {0x1000, 0x109F}, {0x1780, 0x17FF}, {0x3040, 0x30FF},
                                    {0x3400, 0x4DBF}, {0x4E00, 0x9FFF}, {0xF900, 0xFAFF}, {0x20000, 0x3FFFF}};

char case_context(char32_t code_point) {
  const UnicodeRange* range = find_range(kCaseContext, code_point);
  return range != nullptr ? range->value : '\0';
}

/// Unicode's Final_Sigma condition: a cased letter before and none after, case-ignorable characters aside.
bool is_final_sigma(std::u32string_view text, std::size_t at) {
  char before = 'I';
  for (std::size_t i = at; before == 'I' && i > 0; --i) before = case_context(text[i - 1]);
  if (before != 'C') return false;
  char after = 'I';
  for (std::size_t i = at + 1; after == 'I' && i < text.size(); ++i) after = case_context(text[i]);
  return after != 'C';
}

}  // namespace

UnicodeCategory unicode_category(char32_t code_point) {
  const UnicodeRange* range = find_range(kUnicodeCategories, code_point);
  if (range == nullptr) return UnicodeCategory::kOther;
  if (range->value == 'P') return UnicodeCategory::kPunctuation;
  return range->value == 'S' ? UnicodeCategory::kSymbol : UnicodeCategory::kNumber;
}

bool is_space(char32_t code_point) {
  if (code_point < 0x80)
    return code_point == ' ' || (code_point >= 9 && code_point <= 13) || (code_point >= 0x1C && code_point <= 0x1F);
  return code_point == 0x85 || code_point == 0xA0 || code_point == 0x1680 ||
         (code_point >= 0x2000 && code_point <= 0x200A) || code_point == 0x2028 || code_point == 0x2029 ||
         code_point == 0x202F || code_point == 0x205F || code_point == 0x3000;
}

bool continues_word(char32_t code_point) {
  if (code_point == U'_') return true;
  const bool unspaced = std::any_of(std::begin(kUnspaced), std::end(kUnspaced), [=](const CodePoints& range) {
    return range.first <= code_point && code_point <= range.last;
  });
  if (unspaced || is_space(code_point)) return false;
  const UnicodeCategory category = unicode_category(code_point);
  return category == UnicodeCategory::kOther || category == UnicodeCategory::kNumber;
}

std::u32string to_lower(std::u32string_view text) {
  constexpr char32_t kCapitalSigma = 0x3A3, kFinalSigma = 0x3C2, kCapitalDottedI = 0x130, kDotAbove = 0x307;
  std::u32string lower;
  lower.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char32_t c = text[i];
    if (c == kCapitalDottedI) {
      lower += {U'i', kDotAbove};
    } else if (c == kCapitalSigma && is_final_sigma(text, i)) {
      lower += kFinalSigma;
    } else {
      const LowerRun* run = find_range(kLowerRuns, c);
      const bool upper = run != nullptr && (c - run->first) % run->step == 0;
      lower += upper ? static_cast<char32_t>(static_cast<int>(c) + run->distance) : c;
    }
  }
  return lower;
}

std::u32string_view strip_end(std::u32string_view text) {
  while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
  return text;
}

std::vector<std::u32string_view> split_words(std::u32string_view text) {
  std::vector<std::u32string_view> words;
  std::size_t start = 0;
  for (std::size_t i = 0; i <= text.size(); ++i) {
    if (i < text.size() && !is_space(text[i])) continue;
    if (i > start) words.push_back(text.substr(start, i - start));
    start = i + 1;
  }
  return words;
}

}  // namespace polymoe
