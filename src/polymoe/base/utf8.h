#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace polymoe {

/// U+FEFF, which some programs put before a text.
inline constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

/// The offset of the first byte that is not well-formed UTF-8 (overlong forms, surrogates and values over U+10FFFF
/// count as malformed), or std::string_view::npos.
std::size_t find_bad_utf8(std::string_view text);

/// Decodes well-formed UTF-8 into code points; malformed bytes become U+FFFD, one for each byte.
std::u32string decode_utf8(std::string_view text);

/// Appends one code point as UTF-8.
void append_utf8(std::string& text, char32_t code_point);

/// Encodes code points as UTF-8.
std::string encode_utf8(std::u32string_view code_points);

/// Whether a text shows nothing: it holds only white space and characters without a shape of their own (Unicode's
/// White_Space and Default_Ignorable_Code_Point), such as U+3000, U+200B and U+00AD. Malformed bytes show.
bool shows_nothing(std::string_view text);

}  // namespace polymoe
