#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "polymoe/decode/beam_search.h"
#include "polymoe/decode/phrases.h"
#include "polymoe/text/glossary.h"
#include "polymoe/text/vocabulary.h"

namespace polymoe {

/// What placeholders need to know of a vocabulary.
struct SignPieces {
  std::map<char, std::vector<std::int64_t>> by_sign;  ///< for each of the signs of placeholders the ids that show it
  std::vector<std::int64_t> word_parts;               ///< ids that go on with a word
};
SignPieces find_sign_pieces(const Vocabulary& vocabulary);

/// What makes the translation of `sentence` hold its placeholders, each once: appends them to the phrases of `demands`,
/// with their literal texts to `literals` (one for each phrase; "" for those that were there), and bans the pieces with
/// signs that the sentence has in placeholders alone.
void protect_placeholders(std::string_view sentence, const Vocabulary& vocabulary, const SignPieces& pieces,
                          std::int32_t language, Demands& demands, std::vector<std::string>& literals);

/// Marks the phrases whose `literals` the text of a prefix holds.
void mark_given(std::string_view prefix, const std::vector<std::string>& literals, std::vector<Phrase>& phrases);

/// The ids of a text that stands right behind other text, without a space between; empty where the vocabulary has no
/// way to tell. `language` is that of the text.
std::vector<std::int32_t> encode_inside(const Vocabulary& vocabulary, std::string_view text, std::int32_t language);

struct TermPhrases {
  std::vector<Phrase> phrases;
  std::size_t unwritable = 0;  ///< terms that have no phrase, since the vocabulary cannot write any of their targets
};

/// What the translation of `sentence` must hold: one phrase for each term that the sentence holds. Terms that begin
/// with a letter stand at the beginning of a word (and may go on, as inflected words do), others also right behind
/// other text. Targets that the vocabulary cannot write are told by a remark and left out.
TermPhrases phrases_of(const Glossary& glossary, std::string_view sentence, const Vocabulary& vocabulary,
                       std::int32_t language);

}  // namespace polymoe
