#pragma once

#include <string>
#include <string_view>

namespace polymoe {

/// `text` in single quotes, fit for a one-line message: cut after about 60 bytes, control characters and malformed
/// UTF-8 made visible as \xNN.
std::string in_quotes(std::string_view text);

/// `text` with a space for each control character and separator of lines, those beyond ASCII too: one line that cannot
/// disturb a terminal.
std::string one_line(std::string_view text);

}  // namespace polymoe
