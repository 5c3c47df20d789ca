#include "polymoe/text/gettext/accelerators.h"

#include <algorithm>
#include <array>

#include <fmt/core.h>

#include "polymoe/base/ascii.h"
#include "polymoe/base/utf8.h"

namespace polymoe {
namespace {

bool is_upper(char c) { return c >= 'A' && c <= 'Z'; }
/// A letter or digit, or a byte of a letter outside ASCII.
bool is_word_byte(char c) { return ascii::is_alphanumeric(c) || static_cast<unsigned char>(c) >= 0x80; }

/// True for "&amp;", "&#160;" and the like.
bool is_entity(std::string_view text, std::size_t at) {
  constexpr std::size_t kLongest = 9;
  const std::size_t end = text.substr(0, at + kLongest).find(';', at);
  return text[at] == '&' && end != std::string_view::npos && end > at + 1 &&
         std::all_of(text.begin() + at + 1, text.begin() + end,
                     [](char c) { return ascii::is_alphanumeric(c) || c == '#'; });
}

constexpr std::size_t kNone = std::string_view::npos;

/// Where the one mark of the text stands that can be an accelerator's; kNone when there is none or more than one.
std::size_t find_mark(std::string_view text, char mark) {
  std::size_t place = kNone;
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (text[at] != mark || is_entity(text, at)) continue;
    if (at + 1 < text.size() && text[at + 1] == mark) {
      ++at;
    } else if (place != kNone) {
      return kNone;
    } else if (at + 1 < text.size() && is_word_byte(text[at + 1])) {
      place = at;
    } else if (mark == '_') {
      return kNone;
    }
  }
  return place;
}

bool starts_word(std::string_view text, std::size_t at) {
  return at == 0 || text[at - 1] == ' ' || text[at - 1] == '(';
}

/// Drops text[place] and makes "&&" single. ("__" stays: it is rather a programmer's name than an escaped underscore.)
std::string without_mark(std::string_view text, char mark, std::size_t place) {
  std::string result;
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (at == place) continue;
    result += text[at];
    if (mark == '&' && text[at] == mark && at + 1 < text.size() && text[at + 1] == mark) ++at;
  }
  return result;
}

struct Bracket {
  std::string_view open, close;
};
constexpr std::array<Bracket, 2> kBrackets = {{{"(", ")"}, {"（", "）"}}};

/// Removes "(_F)", with a space before it; false where there is none.
bool remove_bracketed(std::string& text, char mark) {
  for (const auto& [open, close] : kBrackets) {
    const std::string start = std::string(open) + mark;
    const std::size_t begin = text.find(start);
    if (begin == std::string::npos) continue;
    std::size_t end = begin + start.size();
    if (end >= text.size() || !ascii::is_alphanumeric(text[end])) continue;
    if (text.compare(++end, close.size(), close) != 0) continue;
    end += close.size();
    const std::size_t from = begin > 0 && text[begin - 1] == ' ' ? begin - 1 : begin;
    text.erase(from, end - from);
    return true;
  }
  return false;
}

/// Where the mark of an English text stands; kNone where it has none.
std::size_t accelerator_place(std::string_view english, char sign) {
  const std::size_t place = find_mark(english, sign);
  // Between two capitals the mark is part of a name: LC_ALL, AT&T.
  const bool in_name = place != kNone && place > 0 && is_upper(english[place - 1]) && is_upper(english[place + 1]);
  return in_name ? kNone : place;
}

/// Past the end of what must stay whole at `at`: a directive, a tag, an entity, a variable; `at` where nothing is.
std::size_t skip_protected(std::string_view text, std::size_t at) {
  const auto past = [&](char close) { return std::min(text.find(close, at), text.size() - 1) + 1; };
  switch (text[at]) {
    case '<':
      return past('>');
    case '{':
      return past('}');
    case '&':
      return is_entity(text, at) ? past(';') : at;
    case '%':
    case '$':
      while (++at < text.size() && text[at] != ' ') {
      }
      return at;
    default:
      return at;
  }
}

/// Where the mark goes: before `letter`, at best where a word begins, else before the first letter; kNone without one.
std::size_t place_for_mark(std::string_view text, char letter) {
  std::size_t first = kNone, inside = kNone;
  for (std::size_t at = 0; at < text.size();) {
    if (const std::size_t past = skip_protected(text, at); past > at) {
      at = past;
      continue;
    }
    const bool is_start = is_word_byte(text[at]) && (at == 0 || !is_word_byte(text[at - 1]));
    if (is_start && first == kNone) first = at;
    if (ascii::is_alphanumeric(text[at]) && (text[at] | 0x20) == (letter | 0x20)) {
      if (is_start) return at;
      if (inside == kNone) inside = at;
    }
    ++at;
  }
  return inside != kNone ? inside : first;
}

/// Whether a text is of a script whose letters no key has: Chinese, Japanese, Korean.
bool is_east_asian(std::string_view text) {
  constexpr char32_t kFirst = 0x2E80, kLast = 0xDFFF;
  for (const char32_t c : decode_utf8(text)) {
    if (c >= kFirst && c <= kLast) return true;
  }
  return false;
}

}  // namespace

AcceleratorMark accelerator_mark_of(const std::vector<CatalogMessage>& messages) {
  // A handful and half a percent: less is chance, such as C's "_Bool" among thousands of compiler messages.
  constexpr std::size_t kFewest = 3, kOneIn = 200;
  AcceleratorMark found = AcceleratorMark::kNone;
  std::size_t most = std::max(kFewest, messages.size() / kOneIn) - 1;
  for (const AcceleratorMark mark : {AcceleratorMark::kUnderscore, AcceleratorMark::kAmpersand}) {
    const auto has_mark = [&](const CatalogMessage& message) {
      const std::size_t place = find_mark(message.id, static_cast<char>(mark));
      return place != kNone && starts_word(message.id, place);
    };
    const auto count = static_cast<std::size_t>(std::count_if(messages.begin(), messages.end(), has_mark));
    if (count > most) {
      most = count;
      found = mark;
    }
  }
  return found;
}

std::string strip_accelerator(std::string_view english, AcceleratorMark mark) {
  if (mark == AcceleratorMark::kNone) return std::string(english);
  const char sign = static_cast<char>(mark);
  return without_mark(english, sign, accelerator_place(english, sign));
}

std::string strip_translated_accelerator(std::string_view translation, AcceleratorMark mark) {
  std::string text(translation);
  if (mark == AcceleratorMark::kNone || remove_bracketed(text, static_cast<char>(mark))) return text;
  return strip_accelerator(text, mark);
}

std::string add_accelerator(std::string_view translation, std::string_view english, AcceleratorMark mark) {
  std::string text;
  const char sign = static_cast<char>(mark);
  for (std::size_t at = 0; at < translation.size(); ++at) {
    text += translation[at];
    if (mark == AcceleratorMark::kAmpersand && translation[at] == sign && !is_entity(translation, at)) text += sign;
  }
  if (mark == AcceleratorMark::kNone) return text;
  const std::size_t marked = accelerator_place(english, sign);
  if (marked == kNone) return text;
  const char letter = english[marked + 1];
  if (is_east_asian(text)) {
    if (!ascii::is_alphanumeric(letter)) return text;
    std::size_t end = text.find_last_not_of(" .:\n");
    for (const std::string_view dots : {"…", "：", "。"}) {
      if (text.ends_with(dots)) end = text.size() - dots.size() - 1;
    }
    return text.insert(end + 1, fmt::format("({}{})", sign, static_cast<char>(letter >= 'a' ? letter - 0x20 : letter)));
  }
  const std::size_t place = place_for_mark(text, letter);
  if (place != kNone) text.insert(place, 1, sign);
  return text;
}

std::size_t count_marks(std::string_view text, AcceleratorMark mark) {
  std::size_t count = 0;
  for (std::size_t at = 0; at + 1 < text.size(); ++at) {
    if (mark != AcceleratorMark::kNone && text[at] == static_cast<char>(mark) && is_word_byte(text[at + 1])) ++count;
  }
  return count;
}

}  // namespace polymoe
