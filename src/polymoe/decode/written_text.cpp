#include "polymoe/decode/written_text.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "polymoe/base/quote.h"
#include "polymoe/base/utf8.h"
#include "polymoe/text/unicode.h"

namespace polymoe {
namespace {

using Ids = std::vector<std::int32_t>;

std::string decode_first(const Ids& ids, std::size_t count, const Vocabulary& vocabulary) {
  return vocabulary.decode({ids.begin(), ids.begin() + static_cast<std::ptrdiff_t>(count)});
}

// `text`, which is that of `ids`, with the prefix as it was given.
std::string with_prefix(std::string text, const Ids& ids, const GivenPrefix& prefix, const Vocabulary& vocabulary) {
  if (prefix.ids.empty() || ids.size() < prefix.ids.size()) return text;
  const std::string shown = decode_first(ids, prefix.ids.size(), vocabulary);
  return text.starts_with(shown) ? prefix.text + text.substr(shown.size()) : text;
}

}  // namespace

std::size_t count_words(std::string_view text) { return split_words(decode_utf8(text)).size(); }

GivenPrefix parse_prefix(std::string_view text, const Vocabulary& vocabulary, std::int32_t language) {
  const std::u32string characters = decode_utf8(one_line(text));
  const auto first = std::find_if_not(characters.begin(), characters.end(), [](char32_t c) { return is_space(c); });
  const std::u32string_view rest =
      std::u32string_view(characters).substr(static_cast<std::size_t>(first - characters.begin()));
  GivenPrefix prefix{.text = encode_utf8(strip_end(rest)), .ids = {}, .unknown = {}};
  prefix.ids = vocabulary.encode(prefix.text, language);
  prefix.unknown = vocabulary.unknown_texts(prefix.text, language);
  return prefix;
}

std::string written_text(const Ids& ids, const GivenPrefix& prefix, const Vocabulary& vocabulary) {
  return with_prefix(vocabulary.decode(ids), ids, prefix, vocabulary);
}

std::string written_text(const Hypothesis& hypothesis, const GivenPrefix& prefix,
                         const std::vector<std::string>& literals, const Vocabulary& vocabulary) {
  const Ids& ids = hypothesis.ids;
  std::string whole = vocabulary.decode(ids);
  std::string text;
  std::size_t done = 0;  // bytes of `whole`
  for (const PhrasePlace& place : hypothesis.placements) {
    const bool is_literal = place.phrase < literals.size() && !literals[place.phrase].empty();
    if (!is_literal || place.begin < prefix.ids.size()) continue;
    const std::string before = decode_first(ids, place.begin, vocabulary);
    const std::string through = decode_first(ids, place.end, vocabulary);
    if (!whole.starts_with(before) || !whole.starts_with(through) || through.size() < done) {
      return with_prefix(std::move(whole), ids, prefix, vocabulary);
    }
    text += whole.substr(done, std::max(before.size(), done) - done);
    // Its first form begins a word; `<unk>` shows a space in any form.
    const bool begins_word = place.form == 0 && before.size() < whole.size() && whole[before.size()] == ' ';
    if (begins_word && !text.empty() && text.back() != ' ') text += ' ';
    text += literals[place.phrase];
    done = through.size();
  }
  return with_prefix(text + whole.substr(done), ids, prefix, vocabulary);
}

std::vector<double> word_scores(const Hypothesis& hypothesis, const GivenPrefix& prefix,
                                const std::vector<std::string>& literals, const Vocabulary& vocabulary,
                                const std::vector<std::int32_t>& blank) {
  const Ids& ids = hypothesis.ids;
  const std::vector<float>& token_scores = hypothesis.token_scores;
  const auto is_inside = [&](const PhrasePlace& place, std::size_t token) {
    const bool is_literal = place.phrase < literals.size() && !literals[place.phrase].empty();
    return is_literal && place.begin <= token && token + 1 < place.end;
  };
  std::vector<double> scores;
  Hypothesis read;
  double waiting = 0.0;
  for (std::size_t i = 0; i < ids.size(); ++i) {
    read.ids.push_back(ids[i]);
    waiting += static_cast<double>(token_scores[i]);
    const bool is_blank = i + 1 < ids.size() && std::binary_search(blank.begin(), blank.end(), ids[i]);
    const auto& places = hypothesis.placements;
    if (is_blank || std::any_of(places.begin(), places.end(), [&](auto& place) { return is_inside(place, i); }))
      continue;
    read.placements.clear();
    std::copy_if(places.begin(), places.end(), std::back_inserter(read.placements),
                 [&](const PhrasePlace& place) { return place.end <= read.ids.size(); });
    std::size_t words = std::max<std::size_t>(1, count_words(written_text(read, prefix, literals, vocabulary)));
    if (read.ids.size() < prefix.ids.size()) words = std::min(words, count_words(prefix.text));  // `<unk>` shows spaces
    scores.resize(std::max(scores.size(), words));
    scores.back() += std::exchange(waiting, 0.0);
  }
  if (token_scores.size() > ids.size()) scores.push_back(static_cast<double>(token_scores.back()));
  return scores;
}

}  // namespace polymoe
