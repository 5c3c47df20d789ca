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
  std::string line(text);
  for (char& c : line) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) c = ' ';
  }
  return line;
}

}  // namespace polymoe
