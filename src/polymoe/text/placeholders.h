#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace polymoe {

/// A part of a text that its translation must hold as it is, once.
struct Placeholder {
  enum class Kind { kDirective, kOpeningTag, kClosingTag, kLoneTag, kAddress };
  static constexpr std::size_t kNone = static_cast<std::size_t>(-1);

  Kind kind = Kind::kDirective;
  std::size_t begin = 0, end = 0;  ///< bytes of the text
  std::size_t after = kNone;       ///< the one that it must stand behind: of directives without a number the one before
  std::size_t opening = kNone;     ///< of a closing tag, its opening one; tags without a partner are lone ones
};

/// The placeholders of a text, in its order: what a program fills in (format_directives.h), tags of XML and HTML, and
/// addresses ("https://..."), without the punctuation behind them.
std::vector<Placeholder> find_placeholders(std::string_view text);

/// Whether `translation` holds the placeholders of `source`, each as often, and no others; its directives without a
/// number in the order of the source, and no more tags unclosed or crossing than there.
bool keeps_placeholders(std::string_view source, std::string_view translation);

}  // namespace polymoe
