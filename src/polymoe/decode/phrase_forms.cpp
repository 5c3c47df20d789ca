#include "polymoe/decode/phrase_forms.h"

#include <algorithm>
#include <set>
#include <utility>

#include <fmt/core.h>

#include "polymoe/base/quote.h"
#include "polymoe/base/remarks.h"
#include "polymoe/base/utf8.h"
#include "polymoe/text/placeholders.h"
#include "polymoe/text/unicode.h"

namespace polymoe {
namespace {

using Ids = std::vector<std::int32_t>;

bool is_known(const Ids& ids, const Vocabulary& vocabulary) {
  return !ids.empty() && std::find(ids.begin(), ids.end(), vocabulary.unk()) == ids.end();
}

}  // namespace

Ids encode_inside(const Vocabulary& vocabulary, std::string_view text, std::int32_t language) {
  // Behind a sign with which its first piece does not grow together; letters of the vocabulary's text seldom do.
  for (const char* sign : {"(", "-", ":", "\"", "/"}) {
    const Ids before = vocabulary.encode(sign, language);
    const Ids together = vocabulary.encode(sign + std::string(text), language);
    if (!is_known(before, vocabulary) || together.size() <= before.size()) continue;
    if (std::equal(before.begin(), before.end(), together.begin())) {
      return {together.begin() + static_cast<std::ptrdiff_t>(before.size()), together.end()};
    }
  }
  return {};
}

SignPieces find_sign_pieces(const Vocabulary& vocabulary) {
  constexpr std::string_view kSigns = "%{}$<>/";
  SignPieces pieces;
  // A piece shows by itself whether it begins a word only behind another one.
  const Ids before = vocabulary.encode("a");
  const std::size_t shown = vocabulary.decode(before).size();
  for (std::int32_t id = 0; id < vocabulary.size(); ++id) {
    if (vocabulary.is_special(id)) continue;
    Ids both = before;
    both.push_back(id);
    const std::string text = vocabulary.decode(both).substr(shown);
    if (text.empty()) continue;
    for (const char sign : kSigns) {
      if (text.find(sign) != std::string::npos) pieces.by_sign[sign].push_back(id);
    }
    if (continues_word(decode_utf8(text)[0])) pieces.word_parts.push_back(id);
  }
  return pieces;
}

void protect_placeholders(std::string_view sentence, const Vocabulary& vocabulary, const SignPieces& pieces,
                          std::int32_t language, Demands& demands, std::vector<std::string>& literals) {
  const std::vector<Placeholder> found = find_placeholders(sentence);
  literals.resize(demands.phrases.size());
  const std::size_t first = demands.phrases.size();
  std::string rest;  // of the sentence, without placeholders
  std::size_t at = 0;
  for (const Placeholder& place : found) {
    rest += sentence.substr(at, place.begin - at);
    at = place.end;
  }
  rest += sentence.substr(at);
  std::set<std::int64_t> signs{vocabulary.unk()};  // written for placeholders alone, and then gone on with
  for (const auto& [sign, ids] : pieces.by_sign) {
    const bool is_used = std::any_of(found.begin(), found.end(), [&, sign = sign](const Placeholder& place) {
      return sentence.substr(place.begin, place.end - place.begin).find(sign) != std::string_view::npos;
    });
    if (is_used && rest.find(sign) == std::string::npos) signs.insert(ids.begin(), ids.end());
  }
  demands.banned.assign(signs.begin(), signs.end());
  for (const Placeholder& place : found) {
    const std::string text(sentence.substr(place.begin, place.end - place.begin));
    Phrase phrase;
    const auto add = [&](Ids ids) {
      if (ids.empty()) return;
      const auto sign = std::find_if(ids.begin(), ids.end(), [&](std::int32_t id) { return signs.contains(id); });
      const auto until = static_cast<std::size_t>(sign - ids.begin()) + 1;
      phrase.bound.push_back(until <= ids.size() ? until : 0);
      phrase.forms.push_back(std::move(ids));
    };
    add(vocabulary.encode(text, language));
    // An address begins with a letter, which may not join what stands before.
    if (place.kind != Placeholder::Kind::kAddress) add(encode_inside(vocabulary, text, language));
    if (place.after != Placeholder::kNone) phrase.after = first + place.after;
    if (place.opening != Placeholder::kNone) phrase.opening = first + place.opening;
    phrase.whole = continues_word(decode_utf8(text).back());
    demands.phrases.push_back(std::move(phrase));
    literals.push_back(text);
  }
}

void mark_given(std::string_view prefix, const std::vector<std::string>& literals, std::vector<Phrase>& phrases) {
  std::multiset<std::string_view> held;
  for (const Placeholder& place : find_placeholders(prefix)) {
    held.insert(prefix.substr(place.begin, place.end - place.begin));
  }
  for (std::size_t i = 0; i < literals.size(); ++i) {
    const auto found = held.find(literals[i]);
    if (found == held.end()) continue;
    held.erase(found);
    phrases[i].given = true;
  }
}

TermPhrases phrases_of(const Glossary& glossary, std::string_view sentence, const Vocabulary& vocabulary,
                       std::int32_t language) {
  TermPhrases result;
  const std::vector<Placeholder> kept = find_placeholders(sentence);
  for (const GlossaryMatch& match : glossary.find(sentence)) {
    const bool is_kept = std::any_of(kept.begin(), kept.end(), [&](const Placeholder& place) {
      return place.begin < match.end && match.begin < place.end;
    });
    if (is_kept) continue;  // {name} is no name
    Phrase phrase;
    for (const std::string& target : match.targets) {
      const std::size_t before = phrase.forms.size();
      const auto add = [&](Ids ids) {
        if (is_known(ids, vocabulary)) phrase.forms.push_back(std::move(ids));
      };
      add(vocabulary.encode(target, language));
      if (!continues_word(decode_utf8(target)[0])) add(encode_inside(vocabulary, target, language));
      if (phrase.forms.size() > before) continue;
      remark(fmt::format("the vocabulary cannot write the term {} of the glossary", in_quotes(target)), {},
             "it is left out; use a model whose vocabulary has --byte-fallback");
    }
    if (phrase.forms.empty()) {
      ++result.unwritable;
    } else {
      result.phrases.push_back(std::move(phrase));
    }
  }
  return result;
}

}  // namespace polymoe
