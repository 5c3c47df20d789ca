#include "polymoe/text/gettext/gettext_corpus.h"

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

}  // namespace polymoe
