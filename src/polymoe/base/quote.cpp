#include "polymoe/base/quote.h"

#include <fmt/core.h>

#include "polymoe/base/utf8.h"

namespace polymoe {

std::string in_quotes(std::string_view text) {
  constexpr std::size_t kMaxBytes = 60;
  std::string result = "'";
  while (!text.empty()) {
    if (result.size() > kMaxBytes) return result + "...'";
    const auto byte = static_cast<unsigned char>(text.front());
    const std::size_t length = byte < 0x80 ? 1 : byte < 0xE0 ? 2 : byte < 0xF0 ? 3 : 4;
    const std::string_view character = text.substr(0, length);
    const bool control = byte < 0x20 || byte == 0x7F || (byte == 0xC2 && character.size() > 1 && character[1] < '\xA0');
    if (control || find_bad_utf8(character) != std::string_view::npos) {
      result += fmt::format("\\x{:02x}", byte);
      text.remove_prefix(1);
    } else {
      result += character;
      text.remove_prefix(length);
    }
  }
  return result + "'";
}

std::string one_line(std::string_view text) {
  std::string line;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    const auto next = i + 1 < text.size() ? static_cast<unsigned char>(text[i + 1]) : 0u;
    const bool is_c1 = byte == 0xC2 && next >= 0x80 && next <= 0x9F;  // U+0080 to U+009F
    const bool is_separator = text.substr(i, 3) == "\u2028" || text.substr(i, 3) == "\u2029";
    line += byte < 0x20 || byte == 0x7F || is_c1 || is_separator ? ' ' : text[i];
    i += is_c1 ? 1 : is_separator ? 2 : 0;
  }
  return line;
}

}  // namespace polymoe
