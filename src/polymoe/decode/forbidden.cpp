#include "polymoe/decode/forbidden.h"

#include <algorithm>

#include "polymoe/base/error.h"
#include "polymoe/base/quote.h"
#include "polymoe/base/utf8.h"
#include "polymoe/text/unicode.h"

namespace polymoe {
namespace {

// In lower case, each character by itself and as one: a sigma at the end of a word is as any other.
std::u32string folded(std::u32string_view text) {
  std::u32string result;
  for (const char32_t c : text) {
    const char32_t lower = to_lower(std::u32string(1, c))[0];
    result += lower == U'\u03C2' ? U'\u03C3' : lower;
  }
  return result;
}

// With one space for white space of any kind and length, and none at the ends.
std::u32string with_single_spaces(std::u32string_view text) {
  std::u32string result;
  for (const std::u32string_view word : split_words(text)) {
    if (!result.empty()) result += U' ';
    result += word;
  }
  return result;
}

// Whether no word goes on from one character to the next.
bool is_border(char32_t before, char32_t behind) { return !(continues_word(before) && continues_word(behind)); }

bool begins_at(std::u32string_view text, std::size_t at, std::u32string_view phrase) {
  return at == 0 || is_border(text[at - 1], phrase[0]);
}

bool ends_at(std::u32string_view text, std::size_t end, std::u32string_view phrase) {
  return end == text.size() || is_border(phrase.back(), text[end]);
}

// Whether `text` holds `phrase` as whole words at `first` or behind it.
bool holds(std::u32string_view text, std::u32string_view phrase, std::size_t first = 0) {
  for (std::size_t at = text.find(phrase, first); at != std::u32string_view::npos; at = text.find(phrase, at + 1)) {
    if (begins_at(text, at, phrase) && ends_at(text, at + phrase.size(), phrase)) return true;
  }
  return false;
}

}  // namespace

std::vector<std::u32string> piece_texts(const Vocabulary& vocabulary) {
  // A piece shows by itself whether it begins a word only behind another one.
  std::vector<std::int32_t> both = vocabulary.encode("a");
  const std::size_t shown = vocabulary.decode(both).size();
  std::vector<std::u32string> texts(static_cast<std::size_t>(vocabulary.size()));
  both.push_back(0);
  for (std::int32_t id = 0; id < vocabulary.size(); ++id) {
    if (vocabulary.is_special(id) || id == vocabulary.unk()) continue;
    both.back() = id;
    texts[static_cast<std::size_t>(id)] = decode_utf8(vocabulary.decode(both).substr(shown));
  }
  return texts;
}

ForbiddenPhrases::ForbiddenPhrases(std::span<const std::string> phrases, const Vocabulary& vocabulary,
                                   const std::vector<std::u32string>& pieces, std::int32_t language)
    : pieces_(pieces) {
  for (const std::u32string& piece : pieces_) folded_.push_back(folded(piece));
  for (std::size_t id = 0; id < folded_.size(); ++id) {
    if (!folded_[id].empty()) by_first_[folded_[id][0]].push_back(static_cast<std::int32_t>(id));
  }
  for (const std::string& given : phrases) {
    // As the vocabulary writes it; what it cannot write may still come from a source.
    const Ids ids = vocabulary.encode(given, language);
    const bool is_known = std::find(ids.begin(), ids.end(), vocabulary.unk()) == ids.end();
    const std::u32string text = with_single_spaces(decode_utf8(is_known ? vocabulary.decode(ids) : given));
    if (text.empty()) fail("the phrase {} shows nothing that could be forbidden", in_quotes(given));
    phrases_.push_back({.text = text, .any_case = folded(text) == text});
    longest_ = std::max(longest_, text.size());
    if (is_known) add_bytes(given, vocabulary, language);
  }
  for (const Phrase& phrase : phrases_) {
    for (std::size_t id = 0; id < pieces_.size(); ++id) {
      if (holds(texts_of(phrase, static_cast<std::int32_t>(id)), phrase.text, 1)) {
        whole_.push_back(static_cast<std::int32_t>(id));
      }
    }
  }
}

// Pieces of single bytes show nothing by themselves: of phrases that need them the very ids are forbidden.
void ForbiddenPhrases::add_bytes(const std::string& phrase, const Vocabulary& vocabulary, std::int32_t language) {
  const Ids ids = vocabulary.encode(phrase, language);
  std::u32string shown;
  for (const std::int32_t id : ids) shown += pieces_[static_cast<std::size_t>(id)];
  if (with_single_spaces(shown) != with_single_spaces(decode_utf8(vocabulary.decode(ids)))) sequences_.push_back(ids);
}

const std::u32string& ForbiddenPhrases::texts_of(const Phrase& phrase, std::int32_t id) const {
  return (phrase.any_case ? folded_ : pieces_)[static_cast<std::size_t>(id)];
}

// The end of what `ids` show: enough of it for the longest phrase and the character before.
std::u32string ForbiddenPhrases::last_text(const Ids& ids) const {
  std::size_t first = ids.size(), characters = 0;
  while (first > 0 && characters <= longest_) characters += pieces_[static_cast<std::size_t>(ids[--first])].size();
  std::u32string text;
  for (; first < ids.size(); ++first) text += pieces_[static_cast<std::size_t>(ids[first])];
  return text;
}

std::vector<std::int32_t> ForbiddenPhrases::completions(const std::vector<std::int32_t>& ids) const {
  Ids found = whole_;
  const std::u32string text = last_text(ids), lower = folded(text);
  for (std::size_t p = 0; p < phrases_.size(); ++p) {
    const Phrase& phrase = phrases_[p];
    const std::u32string_view last = phrase.any_case ? lower : text;
    for (std::size_t done = 0; done < std::min(phrase.text.size(), last.size() + 1); ++done) {
      const std::size_t at = last.size() - done;
      if (last.substr(at) != phrase.text.substr(0, done) || !begins_at(last, at, phrase.text)) continue;
      const Ids& next = completing(p, done);
      found.insert(found.end(), next.begin(), next.end());
    }
  }
  for (const Ids& sequence : sequences_) {
    if (ids.size() + 1 >= sequence.size() && std::equal(sequence.rbegin() + 1, sequence.rend(), ids.rbegin())) {
      found.push_back(sequence.back());
    }
  }
  return found;
}

// The ids that complete a phrase of which the first `done` characters stand at the end of what is there.
const std::vector<std::int32_t>& ForbiddenPhrases::completing(std::size_t phrase, std::size_t done) const {
  const std::lock_guard lock(mutex_);
  const auto [place, is_new] = completing_.try_emplace({phrase, done});
  if (!is_new) return place->second;
  const std::u32string_view rest = std::u32string_view(phrases_[phrase].text).substr(done);
  const auto candidates = by_first_.find(folded(rest.substr(0, 1))[0]);
  if (candidates == by_first_.end()) return place->second;
  for (const std::int32_t id : candidates->second) {
    const std::u32string_view piece = texts_of(phrases_[phrase], id);
    if (piece.starts_with(rest) && ends_at(piece, rest.size(), rest)) place->second.push_back(id);
  }
  return place->second;
}

std::size_t ForbiddenPhrases::count_in(std::string_view text) const {
  const std::u32string whole = with_single_spaces(decode_utf8(text)), lower = folded(whole);
  return static_cast<std::size_t>(std::count_if(phrases_.begin(), phrases_.end(), [&](const Phrase& phrase) {
    return holds(phrase.any_case ? lower : whole, phrase.text);
  }));
}

}  // namespace polymoe
