#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "polymoe/text/gettext/mo_catalog.h"

/// Keyboard accelerators in menu and button texts: "_File" (GTK), "&File" (Qt), and "ファイル(_F)" in languages whose
/// letters are on no key.
namespace polymoe {

enum class AcceleratorMark : char { kNone = '\0', kUnderscore = '_', kAmpersand = '&' };

/// The mark that a catalogue uses, told from how many of its English texts have a word that starts with one. A
/// catalogue without accelerators ("file_name", "AT&T" and the like only) gives kNone, so that such words stay whole.
AcceleratorMark accelerator_mark_of(const std::vector<CatalogMessage>& messages);

/// Removes the accelerator's mark from an English text; "&&", which stands for an ampersand, becomes "&".
std::string strip_accelerator(std::string_view english, AcceleratorMark mark);

/// The same for a translation, where the whole "(_F)" goes.
std::string strip_translated_accelerator(std::string_view translation, AcceleratorMark mark);

/// The mark of `english` put into a translation that was made without it, as translators do: before the same letter
/// where the translation has it, else before its first letter; behind the text, "(_F)", in East Asian scripts. Where
/// `english` has none, only ampersands change, to "&&" where they mark.
std::string add_accelerator(std::string_view translation, std::string_view english, AcceleratorMark mark);

/// How many marks stand before a letter or digit. Where a stripped text and its stripped translation differ in it, one
/// of them still holds an accelerator.
std::size_t count_marks(std::string_view text, AcceleratorMark mark);

}  // namespace polymoe
