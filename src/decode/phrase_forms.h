#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "decode/phrases.h"
#include "text/glossary.h"
#include "text/vocabulary.h"

namespace polymoe {

/// The ids of a text that stands right behind other text, without a space between; empty where the vocabulary has no
/// way to tell. `language` is that of the text.
std::vector<std::int32_t> encode_inside(const Vocabulary& vocabulary, std::string_view text, std::int32_t language);

/// What the translation of `sentence` must hold: one phrase for each term that the sentence holds. Terms that begin
/// with a letter stand at the beginning of a word (and may go on, as inflected words do), others also right behind
/// other text. Targets that the vocabulary cannot write are told by a remark and left out.
std::vector<Phrase> phrases_of(const Glossary& glossary, std::string_view sentence, const Vocabulary& vocabulary,
                               std::int32_t language);

}  // namespace polymoe
