#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

/// The places in a message that a program fills in when it runs. A translation must hold the same ones as its source.
namespace polymoe {

/// The directives of a text, sorted: printf's ("%s", "%-5ld"), Python's ("%(name)s", "{name}"), Qt's ("%1"), "%{name}"
/// and shell variables ("$name", "${name}"). Argument positions are dropped ("%2$s" -> "%s"), for translations reorder
/// arguments; "%%" is no directive.
std::vector<std::string> directives_of(std::string_view text);

/// Bytes of the directive that begins at `at`; 0: none does.
std::size_t directive_length(std::string_view text, std::size_t at);

/// True when both texts hold the same directives, each as often.
bool same_directives(std::string_view a, std::string_view b);

/// The text with a space in place of each directive.
std::string without_directives(std::string_view text);

}  // namespace polymoe
