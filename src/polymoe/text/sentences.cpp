#include "polymoe/text/sentences.h"

#include <algorithm>
#include <iterator>

#include "polymoe/base/utf8.h"
#include "polymoe/text/unicode.h"

namespace polymoe {
namespace {

/// A text by characters, with the bytes at which they begin.
struct Characters {
  explicit Characters(std::string_view text) : all(decode_utf8(text)) {
    std::size_t at = 0;
    for (const char32_t c : all) {
      begin.push_back(at);
      std::string bytes;
      append_utf8(bytes, c);
      at += c == U'\uFFFD' && text.substr(at, bytes.size()) != bytes ? 1 : bytes.size();
    }
    begin.push_back(at);
  }

  std::u32string all;
  std::vector<std::size_t> begin;
};

using Views = std::span<const std::string_view>;

/// Whether a cut at `place` of the text goes through one of `whole`, which lie one behind the other.
bool cuts(std::string_view text, std::size_t place, Views whole) {
  const char* const at = text.data() + place;
  const std::less<> before;  // the views may be of another part of the text
  const auto behind =
      std::partition_point(whole.begin(), whole.end(), [&](std::string_view view) { return before(view.data(), at); });
  return behind != whole.begin() && before(at, behind[-1].data() + behind[-1].size());
}

bool is_one_of(char32_t c, std::u32string_view set) { return set.find(c) != std::u32string_view::npos; }

constexpr std::u32string_view kStops = U".!?…؟।", kWideStops = U"。！？", kClosing = U"\"')]}»”’」』）";
constexpr std::u32string_view kClauseEnds = U",;:，、；：،—";

/// Before `at` stands what ends with a full stop that ends no sentence.
bool is_abbreviation(std::u32string_view text, std::size_t at) {
  constexpr std::u32string_view kKnown[] = {U"mr",  U"mrs", U"ms", U"dr",  U"prof", U"st",  U"nr",  U"no",    U"vs",
                                            U"etc", U"ca",  U"cf", U"bzw", U"fig",  U"abb", U"vol", U"approx"};
  std::size_t begin = at;
  while (begin > 0 && !is_space(text[begin - 1]) && !is_one_of(text[begin - 1], U"(\"„“«")) {
    if (text[--begin] == U'.') return true;  // the stop of "e.g."
  }
  const std::u32string word = to_lower(text.substr(begin, at - begin));
  const bool is_initial = word.size() == 1 && continues_word(word[0]) && !(word[0] >= U'0' && word[0] <= U'9');
  return is_initial || std::find(std::begin(kKnown), std::end(kKnown), word) != std::end(kKnown);
}

bool is_small_letter(char32_t c) {
  return continues_word(c) && to_lower(std::u32string(1, c)) == std::u32string(1, c) &&
         unicode_category(c) != UnicodeCategory::kNumber && c != U'_';
}

bool has_capitals(std::u32string_view text) { return to_lower(text) != text; }

bool stands_alone(std::u32string_view text, std::size_t at) { return at > 0 && is_space(text[at - 1]); }

/// Where the sentence ends that goes on at `at`: behind its last character. `by_case`: no small letter begins one.
std::size_t end_of_sentence(std::u32string_view text, std::size_t at, bool by_case) {
  for (; at < text.size(); ++at) {
    const bool wide = is_one_of(text[at], kWideStops);
    if (!wide && !is_one_of(text[at], kStops)) continue;
    if (text[at] == U'.' && is_abbreviation(text, at)) continue;
    std::size_t end = at + 1;
    while (end < text.size() && (is_one_of(text[end], kStops) || is_one_of(text[end], kWideStops))) ++end;
    while (end < text.size() && is_one_of(text[end], kClosing)) ++end;
    std::size_t next = end;
    while (next < text.size() && is_space(text[next])) ++next;
    if (next == text.size() || wide) return end;
    const bool goes_on = text[at] == U'.' && by_case && !stands_alone(text, at) && is_small_letter(text[next]);
    if (next > end && !goes_on) return end;
    at = end - 1;
  }
  return text.size();
}

/// The place nearest to the middle behind which `ends` says that a part may end, if one lies in the middle half; 0:
/// none.
std::size_t nearest_end(const Characters& text, const std::function<bool(std::size_t)>& ends) {
  const std::size_t middle = text.all.size() / 2;
  for (std::size_t distance = 0; distance <= text.all.size() / 4; ++distance) {
    for (const std::size_t place : {middle - distance, middle + distance}) {
      if (place > 0 && place < text.all.size() && ends(place)) return place;
    }
  }
  return 0;
}

/// 0: everywhere it would go through one of `whole`.
std::size_t best_cut(std::string_view text, const Characters& characters, Views whole) {
  const std::u32string& all = characters.all;
  const auto may_end = [&](std::size_t place) { return !cuts(text, characters.begin[place], whole); };
  const auto behind = [&](std::u32string_view signs) {
    return [&, signs](std::size_t place) {
      return is_one_of(all[place - 1], signs) && (is_space(all[place]) || all[place - 1] > 0x7F) && may_end(place);
    };
  };
  for (const std::u32string_view signs : {kStops, kWideStops, kClauseEnds}) {
    if (const std::size_t place = nearest_end(characters, behind(signs))) return place;
  }
  const std::size_t space =
      nearest_end(characters, [&](std::size_t place) { return is_space(all[place]) && may_end(place); });
  if (space > 0) return space;
  for (std::size_t distance = 0; distance < all.size(); ++distance) {
    const std::size_t middle = all.size() / 2;
    for (const std::size_t place : {middle - std::min(middle, distance), middle + distance}) {
      if (place > 0 && place < all.size() && may_end(place)) return place;
    }
  }
  return 0;
}

std::string_view stripped(std::string_view text) {
  const Characters characters(text);
  std::size_t first = 0, last = characters.all.size();
  while (first < last && is_space(characters.all[first])) ++first;
  while (last > first && is_space(characters.all[last - 1])) --last;
  return text.substr(characters.begin[first], characters.begin[last] - characters.begin[first]);
}

}  // namespace

std::vector<std::string_view> split_sentences(std::string_view text, Views whole) {
  std::vector<std::string_view> sentences;
  const Characters characters(text);
  const bool by_case = has_capitals(characters.all);
  for (std::size_t begin = 0; begin < characters.all.size();) {
    std::size_t end = end_of_sentence(characters.all, begin, by_case);
    while (cuts(text, characters.begin[end], whole)) end = end_of_sentence(characters.all, end, by_case);
    const std::string_view own =
        stripped(text.substr(characters.begin[begin], characters.begin[end] - characters.begin[begin]));
    if (!own.empty()) sentences.push_back(own);
    begin = end;
  }
  return sentences;
}

std::vector<std::string_view> split_to_fit(std::string_view text, const std::function<bool(std::string_view)>& fits,
                                           Views whole) {
  const std::string_view own = stripped(text);
  if (own.empty()) return {};
  const Characters characters(own);
  if (characters.all.size() == 1 || fits(own)) return {own};
  std::size_t place = best_cut(own, characters, whole);
  if (place == 0) place = best_cut(own, characters, {});
  const std::size_t cut = characters.begin[place];
  std::vector<std::string_view> parts = split_to_fit(own.substr(0, cut), fits, whole);
  for (const std::string_view part : split_to_fit(own.substr(cut), fits, whole)) parts.push_back(part);
  return parts;
}

std::string join_sentences(const std::vector<std::string>& parts) {
  std::string text;
  for (const std::string& part : parts) {
    if (part.empty()) continue;
    if (!text.empty() && !is_one_of(decode_utf8(text).back(), kWideStops)) text += ' ';
    text += part;
  }
  return text;
}

}  // namespace polymoe
