#include "polymoe/text/language_names.h"

#include <algorithm>
#include <map>

#include "polymoe/base/quote.h"
#include "polymoe/base/remarks.h"
#include "polymoe/text/corpus.h"
#include "polymoe/text/flores_names.h"

namespace polymoe {

std::string language_of_locale(std::string_view locale) {
  // Locales whose country is the language's main one; that of "de_DE" is told by its letters.
  static const std::map<std::string_view, std::string_view> kSynonyms = {
      {"am_ET", "am"}, {"be_BY", "be"}, {"bn_BD", "bn"}, {"ca_ES", "ca"}, {"cs_CZ", "cs"},      {"da_DK", "da"},
      {"el_GR", "el"}, {"et_EE", "et"}, {"eu_ES", "eu"}, {"fa_IR", "fa"}, {"gl_ES", "gl"},      {"he_IL", "he"},
      {"hi_IN", "hi"}, {"ja_JP", "ja"}, {"ka_GE", "ka"}, {"km_KH", "km"}, {"ko_KR", "ko"},      {"ms_MY", "ms"},
      {"my_MM", "my"}, {"nb_NO", "nb"}, {"nn_NO", "nn"}, {"no", "nb"},    {"or_IN", "or"},      {"sl_SI", "sl"},
      {"sr_RS", "sr"}, {"sv_SE", "sv"}, {"uk_UA", "uk"}, {"vi_VN", "vi"}, {"zh_Hans", "zh_CN"}, {"zh_Hant", "zh_TW"}};
  const std::string_view whole = locale.substr(0, locale.find('.'));
  std::string code(whole.substr(0, whole.find('@')));
  const std::string variant(whole.substr(code.size()));  // "@latin"
  if (code == "en" || code.starts_with("en_")) return "";
  const bool same_letters =
      code.size() == 5 && code[2] == '_' && (code[3] | 0x20) == code[0] && (code[4] | 0x20) == code[1];
  if (same_letters) code.resize(2);
  if (const auto found = kSynonyms.find(code); found != kSynonyms.end()) code = found->second;
  try {
    return normalize_language(code + variant);
  } catch (const Error&) {
    return "";  // a folder that is named after no language
  }
}

std::string find_language(std::string_view name, const std::vector<std::string>& known) {
  const auto is_known = [&](const std::string& code) {
    return std::find(known.begin(), known.end(), code) != known.end();
  };
  std::string code(name);
  if (is_known(code)) return code;
  std::replace(code.begin(), code.end(), '-', '_');
  if (!is_known(code)) code = language_of_locale(code);
  // Vocabularies of imported models have other codes.
  std::vector<std::string> others = other_names_of(name);
  for (std::string& other : other_names_of(code)) others.push_back(std::move(other));
  for (const std::string& other : others) {
    if (!is_known(code) && is_known(other)) code = other;
  }
  return is_known(code) ? code : "";
}

std::string known_language(std::string_view name, const std::vector<std::string>& known) {
  std::string code = find_language(name, known);
  if (code.empty() || code == name) return code;
  remark(fmt::format("the language {} is named '{}' here", in_quotes(name), code));
  return code;
}

std::string read_language(std::string_view code) {
  std::string normal = normalize_language(code);
  if (normal != code) remark(fmt::format("the language {} is named '{}' here", in_quotes(code), normal));
  return normal;
}

}  // namespace polymoe
