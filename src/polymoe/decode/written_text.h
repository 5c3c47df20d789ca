#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "polymoe/decode/beam_search.h"
#include "polymoe/text/vocabulary.h"

/// What the tokens of a translation show. What the caller gave shows as the caller wrote it: prefixes and placeholders,
/// whose tokens may be `<unk>`, or normalised.
namespace polymoe {

/// What a translation begins with.
struct GivenPrefix {
  std::string text;  ///< one line, without white space around it
  std::vector<std::int32_t> ids;
  std::vector<std::string> unknown;  ///< the texts of those that are `<unk>`
};

/// `language`: that of the translation.
GivenPrefix parse_prefix(std::string_view text, const Vocabulary& vocabulary, std::int32_t language);

/// The text of ids. Of those of an unfinished prefix the vocabulary's own.
std::string written_text(const std::vector<std::int32_t>& ids, const GivenPrefix& prefix, const Vocabulary& vocabulary);

/// The text of a hypothesis; `literals` are those of the placeholders among its phrases, "" for other phrases.
std::string written_text(const Hypothesis& hypothesis, const GivenPrefix& prefix,
                         const std::vector<std::string>& literals, const Vocabulary& vocabulary);

/// How many words spaces divide a text into.
std::size_t count_words(std::string_view text);

/// The scores of words, which are what spaces divide, from those of tokens; that of the end mark is the last. A token
/// of `blank` (sorted), which shows nothing by itself, belongs to the word behind it; a placeholder to the word that it
/// ends in.
std::vector<double> word_scores(const Hypothesis& hypothesis, const GivenPrefix& prefix,
                                const std::vector<std::string>& literals, const Vocabulary& vocabulary,
                                const std::vector<std::int32_t>& blank);

}  // namespace polymoe
