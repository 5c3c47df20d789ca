#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace polymoe {

/// The code under which a locale's text is kept: without a charset ("ja.sjis" -> "ja"), and without a country that adds
/// nothing ("de_DE" -> "de", but "pt_BR" stays); "" for English and its variants, and for what names no language.
std::string language_of_locale(std::string_view locale);

/// The name in `known` that `name` means: itself, or another usual name of it ("pt-BR" for "pt_BR", "de_DE" for "de",
/// "no" for "nb", "de" for "deu_Latn"); "" where there is none.
std::string find_language(std::string_view name, const std::vector<std::string>& known);

/// The same, with a remark that tells what it became.
std::string known_language(std::string_view name, const std::vector<std::string>& known);

/// A language code as a user wrote it, in the project's form (see normalize_language); a remark tells where that is
/// another. Throws Error as normalize_language() does.
std::string read_language(std::string_view code);

}  // namespace polymoe
