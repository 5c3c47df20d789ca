#include "polymoe/text/tag_pieces.h"

#include <algorithm>
#include <cctype>

#include <fmt/format.h>

namespace polymoe {

std::string tag_piece(std::string_view language) { return fmt::format("<2{}>", language); }

std::string tag_piece(VocabularyFamily family, std::string_view language) {
  if (family == VocabularyFamily::kNllb) return std::string(language);
  return family == VocabularyFamily::kM2m100 ? fmt::format("__{}__", language) : fmt::format(">>{}<<", language);
}

bool is_language_code(std::string_view code) {
  return !code.empty() && std::all_of(code.begin(), code.end(),
                                      [](unsigned char c) { return std::isalnum(c) != 0 || c == '_' || c == '@'; });
}

}  // namespace polymoe
