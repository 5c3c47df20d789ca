#include "polymoe/base/utf8.h"

#include <algorithm>
#include <iterator>

namespace polymoe {
namespace {

struct Decoded {
  char32_t code_point = 0;
  std::size_t length = 0;  // 0: malformed
};

Decoded decode_one(std::string_view text, std::size_t at) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[at + i]); };
  const unsigned char first = byte(0);
  if (first < 0x80) return {first, 1};
  const std::size_t length = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
  if (first < 0xC2 || first > 0xF4 || at + length > text.size()) return {};
  char32_t value = first & (0xFFu >> (length + 1));
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return {};
    value = (value << 6) | (byte(i) & 0x3Fu);
  }
  constexpr char32_t kSmallest[] = {0, 0, 0x80, 0x800, 0x10000};
  const bool surrogate = value >= 0xD800 && value <= 0xDFFF;
  if (value < kSmallest[length] || value > 0x10FFFF || surrogate) return {};
  return {value, length};
}

struct Range {
  char32_t first, last;
};

// Unicode 15: White_Space and Default_Ignorable_Code_Point, sorted.
constexpr Range kBlanks[] = {
    {0x09, 0x0D},     {0x20, 0x20},     {0x85, 0x85},       {0xA0, 0xA0},       {0xAD, 0xAD},      {0x34F, 0x34F},
    {0x61C, 0x61C},   {0x115F, 0x1160}, {0x1680, 0x1680},   {0x17B4, 0x17B5},   {0x180B, 0x180F},  {0x2000, 0x200F},
    {0x2028, 0x202F}, {0x205F, 0x206F}, {0x3000, 0x3000},   {0x3164, 0x3164},   {0xFE00, 0xFE0F},  {0xFEFF, 0xFEFF},
    {0xFFA0, 0xFFA0}, {0xFFF0, 0xFFF8}, {0x1BCA0, 0x1BCA3}, {0x1D173, 0x1D17A}, {0xE0000, 0xE0FFF}};

bool shows_nothing(char32_t character) {
  const auto after = std::upper_bound(std::begin(kBlanks), std::end(kBlanks), character,
                                      [](char32_t c, const Range& range) { return c < range.first; });
  return after != std::begin(kBlanks) && character <= (after - 1)->last;
}

}  // namespace

bool shows_nothing(std::string_view text) {
  for (std::size_t at = 0; at < text.size();) {
    const Decoded decoded = decode_one(text, at);
    if (decoded.length == 0 || !shows_nothing(decoded.code_point)) return false;
    at += decoded.length;
  }
  return true;
}

std::size_t find_bad_utf8(std::string_view text) {
  std::size_t at = 0;
  while (at < text.size()) {
    const Decoded decoded = decode_one(text, at);
    if (decoded.length == 0) return at;
    at += decoded.length;
  }
  return std::string_view::npos;
}

std::u32string decode_utf8(std::string_view text) {
  std::u32string code_points;
  code_points.reserve(text.size());
  std::size_t at = 0;
  while (at < text.size()) {
    const Decoded decoded = decode_one(text, at);
    code_points.push_back(decoded.length == 0 ? U'\uFFFD' : decoded.code_point);
    at += decoded.length == 0 ? 1 : decoded.length;
  }
  return code_points;
}

void append_utf8(std::string& text, char32_t code_point) {
  const auto put = [&](char32_t value) { text.push_back(static_cast<char>(value)); };
  if (code_point < 0x80) {
    put(code_point);
  } else if (code_point < 0x800) {
    put(0xC0 | (code_point >> 6));
    put(0x80 | (code_point & 0x3F));
  } else if (code_point < 0x10000) {
    put(0xE0 | (code_point >> 12));
    put(0x80 | ((code_point >> 6) & 0x3F));
    put(0x80 | (code_point & 0x3F));
  } else {
    put(0xF0 | (code_point >> 18));
    put(0x80 | ((code_point >> 12) & 0x3F));
    put(0x80 | ((code_point >> 6) & 0x3F));
    put(0x80 | (code_point & 0x3F));
  }
}

std::string encode_utf8(std::u32string_view code_points) {
  std::string text;
  for (const char32_t code_point : code_points) append_utf8(text, code_point);
  return text;
}

}  // namespace polymoe
