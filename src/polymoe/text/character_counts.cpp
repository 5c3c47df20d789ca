#include "polymoe/text/character_counts.h"

#include <algorithm>
#include <set>
#include <utility>
#include <vector>

#include <fmt/ranges.h>

#include "polymoe/base/remarks.h"
#include "polymoe/base/utf8.h"

namespace polymoe {

void CharacterCounts::add(std::string_view text) {
  const auto is_plain = [](char c) { return c >= 0x20 && c < 0x7F; };
  if (std::all_of(text.begin(), text.end(), is_plain)) return;
  for (const char32_t character : decode_utf8(text)) {
    if (character < 0x20 || character >= 0x7F) ++counts_[character];
  }
}

void CharacterCounts::add(const CharacterCounts& other) {
  for (const auto& [character, count] : other.counts_) counts_[character] += count;
}

std::uint64_t count_unwritable(const CharacterCounts& characters, const Vocabulary& vocabulary) {
  std::uint64_t sum = 0;
  for (const auto& [character, count] : characters.counts()) sum += vocabulary.keeps(character) ? 0 : count;
  return sum;
}

void remark_unwritable(const std::map<std::string, CharacterCounts>& by_language, const Vocabulary& vocabulary) {
  struct Character {
    std::uint64_t count = 0;
    std::set<std::string> languages;
  };
  std::map<char32_t, Character> lost;
  for (const auto& [language, characters] : by_language) {
    for (const auto& [code, count] : characters.counts()) {
      if (vocabulary.keeps(code)) continue;
      lost[code].count += count;
      lost[code].languages.insert(language);
    }
  }
  if (lost.empty()) return;
  std::vector<std::pair<char32_t, Character>> sorted(lost.begin(), lost.end());
  std::stable_sort(sorted.begin(), sorted.end(),
                   [](const auto& a, const auto& b) { return a.second.count > b.second.count; });
  constexpr std::size_t kShown = 5;
  std::vector<std::string> shown;
  for (const auto& [code, character] : sorted) {
    if (shown.size() == kShown) break;
    shown.push_back(fmt::format("U+{:04X} ({} times in {})", static_cast<std::uint32_t>(code), character.count,
                                fmt::join(character.languages, ", ")));
  }
  const std::string others = sorted.size() > kShown ? fmt::format(" and {} others", sorted.size() - kShown) : "";
  remark(fmt::format("the vocabulary's normalisation changes or removes characters that a model can then never write: "
                     "{}{}",
                     fmt::join(shown, ", "), others),
         {}, "where they matter, learn the vocabulary with --normalization identity");
}

}  // namespace polymoe
