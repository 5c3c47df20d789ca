#include "polymoe/text/segment_cleaning.h"

#include <algorithm>
#include <array>

#include "polymoe/base/utf8.h"
#include "polymoe/text/format_directives.h"

namespace polymoe {
namespace {

bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r'; }

bool is_ascii_letter(char32_t c) { return (c >= U'a' && c <= U'z') || (c >= U'A' && c <= U'Z'); }

/// Letters of any script, told roughly: outside ASCII all but the blocks of punctuation and symbols.
bool is_letter(char32_t c) {
  if (c < 0x80) return is_ascii_letter(c);
  if (c < 0xC0 || c == U'×' || c == U'÷') return false;
  const bool symbols = (c >= 0x2000 && c <= 0x2BFF) || (c >= 0x3000 && c <= 0x3004) || (c >= 0x3008 && c <= 0x3020) ||
                       (c >= 0xFE00 && c <= 0xFE6F) || (c >= 0xFF00 && c <= 0xFF20) || c == 0xFFFD ||
                       (c >= 0x1F000 && c <= 0x1FAFF);
  return !symbols;
}

/// Starts a new item of a list: a bullet, or an indented command-line option.
bool starts_item(std::string_view line) {
  std::size_t indent = 0;
  while (indent < line.size() && is_blank(line[indent])) ++indent;
  const std::string_view rest = line.substr(indent);
  if (rest.starts_with("* ") || rest.starts_with("• ") || rest.starts_with("- ")) return true;
  return indent > 0 && rest.size() > 1 && rest[0] == '-' && (rest[1] == '-' || is_ascii_letter(rest[1]));
}

std::size_t count_letters(std::string_view text) {
  const std::u32string code_points = decode_utf8(text);
  return static_cast<std::size_t>(std::count_if(code_points.begin(), code_points.end(), is_letter));
}

std::size_t count_of(std::string_view text, std::string_view part) {
  std::size_t count = 0;
  for (std::size_t at = 0; (at = text.find(part, at)) != std::string_view::npos; at += part.size()) ++count;
  return count;
}

/// More markup than one pair of tags, or not the same in both.
bool has_bad_markup(std::string_view english, std::string_view translation) {
  if (english.find('<') == std::string_view::npos && translation.find('<') == std::string_view::npos) return false;
  const auto tags = [](std::string_view text) {
    return count_of(text, "</") + count_of(text, "/>") + count_of(text, "<br>") + count_of(text, "<p>");
  };
  return tags(english) > 1 || tags(english) != tags(translation);
}

}  // namespace

std::size_t count_characters(std::string_view text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

std::vector<std::string_view> split_paragraphs(std::string_view text) {
  std::vector<std::string_view> paragraphs;
  std::size_t paragraph_begin = 0, paragraph_end = 0;
  const auto finish = [&] {
    if (paragraph_end > paragraph_begin) {
      paragraphs.push_back(text.substr(paragraph_begin, paragraph_end - paragraph_begin));
    }
  };
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    const std::string_view line = text.substr(begin, end - begin);
    const bool blank = std::all_of(line.begin(), line.end(), is_blank);
    if (blank || starts_item(line)) {
      finish();
      paragraph_begin = paragraph_end = begin;
    }
    if (!blank) {
      if (paragraph_end == paragraph_begin) paragraph_begin = begin;
      paragraph_end = end;
    }
    begin = end + 1;
  }
  finish();
  return paragraphs;
}

std::string clean_line(std::string_view text) {
  std::string clean;
  clean.reserve(text.size());
  bool space = false;
  const auto separate = [&] {
    if (space && !clean.empty()) clean += ' ';
    space = false;
  };
  for (std::size_t at = 0; at < text.size();) {
    const auto byte = static_cast<unsigned char>(text[at]);
    if (byte < 0x80) {
      if (byte <= ' ' || byte == 0x7F) {
        space = true;
      } else {
        separate();
        clean += text[at];
      }
      ++at;
      continue;
    }
    const std::size_t length = byte >= 0xF0 ? 4 : byte >= 0xE0 ? 3 : 2;
    const std::string_view bytes = text.substr(at, length);
    at += bytes.size();
    const char32_t c = decode_utf8(bytes)[0];
    const bool is_space = c == 0x85 || c == 0xA0 || (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 ||
                          c == 0x202F || c == 0x205F || c == 0x3000;
    const bool invisible = (c >= 0x80 && c < 0xA0) || c == 0xAD || c == 0x200B || c == 0x200E || c == 0x200F ||
                           (c >= 0x202A && c <= 0x202E) || (c >= 0x2066 && c <= 0x2069) || c == 0xFEFF;
    if (is_space) {
      space = true;
    } else if (!invisible) {
      separate();
      clean += bytes;
    }
  }
  return clean;
}

bool has_letters(std::string_view text) { return count_letters(text) > 0; }

const char* name_of(PairFault fault) {
  constexpr std::array<const char*, kNumPairFaults> kNames = {
      "kept", "no letters", "too long", "length ratio", "different directives", "untranslated", "markup"};
  return kNames[static_cast<std::size_t>(fault)];
}

PairFault judge_pair(std::string_view english, std::string_view translation, std::size_t max_chars) {
  const std::size_t english_length = count_characters(english), translation_length = count_characters(translation);
  if (english_length > max_chars || translation_length > max_chars) return PairFault::kTooLong;
  if (!same_directives(english, translation)) return PairFault::kDirectives;
  constexpr std::size_t kFewestLetters = 2;  // in English; one Chinese letter can be a word
  if (count_letters(without_directives(english)) < kFewestLetters ||
      count_letters(without_directives(translation)) < 1) {
    return PairFault::kNoLetters;
  }
  // Names and single words may well be the same; a whole sentence that is was not translated.
  if (english == translation && english.find(' ') != std::string_view::npos) return PairFault::kUntranslated;
  constexpr std::size_t kSlack = 8, kMostTimes = 4;  // short texts vary more; Chinese needs a third of the characters
  const std::size_t shorter = std::min(english_length, translation_length) + kSlack;
  const std::size_t longer = std::max(english_length, translation_length) + kSlack;
  if (longer > kMostTimes * shorter) return PairFault::kLengthRatio;
  if (has_bad_markup(english, translation)) return PairFault::kMarkup;
  return PairFault::kKeep;
}

std::string split_key(std::string_view english) {
  std::string key;
  for (const char c : without_directives(english)) {
    if (static_cast<unsigned char>(c) >= 0x80) {
      key += c;
    } else if (is_ascii_letter(static_cast<unsigned char>(c))) {
      key += static_cast<char>(c | 0x20);
    } else if (!key.empty() && key.back() != ' ') {
      key += ' ';
    }
  }
  while (key.ends_with(' ')) key.pop_back();
  return key;
}

}  // namespace polymoe
