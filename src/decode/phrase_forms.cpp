#include "decode/phrase_forms.h"

#include <algorithm>
#include <utility>

#include <fmt/core.h>

#include "base/quote.h"
#include "base/remarks.h"
#include "base/utf8.h"
#include "text/unicode.h"

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

std::vector<Phrase> phrases_of(const Glossary& glossary, std::string_view sentence, const Vocabulary& vocabulary,
                               std::int32_t language) {
  std::vector<Phrase> phrases;
  for (const GlossaryMatch& match : glossary.find(sentence)) {
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
    if (!phrase.forms.empty()) phrases.push_back(std::move(phrase));
  }
  return phrases;
}

}  // namespace polymoe
