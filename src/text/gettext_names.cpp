#include <map>

#include "base/error.h"
#include "text/corpus.h"
#include "text/gettext_corpus.h"

namespace polymoe {

const std::vector<std::string>& default_catalog_packages() {
  // clang-format off
  static const std::vector<std::string> packages = {
      "aptitude-common", "audacity-data", "bash", "binutils-common", "cinnamon-l10n", "coreutils", "dpkg",
      "evolution-common", "gcc-12-locales", "gimp-data", "git", "gnome-control-center-data", "gnucash-common",
      "gnumeric-common", "gnupg-l10n", "iso-codes", "k3b-i18n", "krita-l10n", "libc-l10n", "libgtk-3-common",
      "libvirt-l10n", "mutt", "pidgin-data", "util-linux-locales", "vim-runtime", "vlc-l10n"};
  // clang-format on
  return packages;
}

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

}  // namespace polymoe
