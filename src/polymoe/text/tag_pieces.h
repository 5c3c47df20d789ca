#pragma once

#include <string>
#include <string_view>

#include "polymoe/text/vocabulary_layout.h"

/// The pieces that are tags of languages.
namespace polymoe {

/// In vocabularies of this project: "<2de>".
std::string tag_piece(std::string_view language);
/// In imported ones: "deu_Latn", "__de__" or ">>de<<".
std::string tag_piece(VocabularyFamily family, std::string_view language);

/// Whether a language's code can be part of a tag: letters, digits, '_' and '@'.
bool is_language_code(std::string_view code);

}  // namespace polymoe
