#include "polymoe/text/format_directives.h"

#include <algorithm>

#include "polymoe/base/ascii.h"

namespace polymoe {
namespace {

bool is_one_of(char c, std::string_view set) { return set.find(c) != std::string_view::npos; }

/// The character at `at`, or NUL past the end.
char char_at(std::string_view text, std::size_t at) { return at < text.size() ? text[at] : '\0'; }

/// The length of a name between `at` and the closing sign, both included; 0 where there is none.
std::size_t closed_name(std::string_view text, std::size_t at, char close) {
  constexpr std::size_t kLongest = 40;
  for (std::size_t i = at; i < text.size() && i < at + kLongest; ++i) {
    if (text[i] == close) return i - at + 1;
    if (!ascii::is_letter(text[i]) && !ascii::is_digit(text[i]) && !is_one_of(text[i], "_-.:,!")) return 0;
  }
  return 0;
}

/// One directive found in a text: where it ends, and its form without an argument's position.
struct Found {
  std::size_t length = 0;  // 0: none here
  std::string form;
};

/// What follows a '%', without it.
Found percent_directive(std::string_view rest) {
  const char first = char_at(rest, 0);
  if (first == '(' || first == '{') {
    std::size_t length = closed_name(rest, 1, first == '(' ? ')' : '}');
    if (length == 0) return {};
    ++length;
    if (first == '(' && ascii::is_letter(char_at(rest, length))) ++length;
    return {length, std::string(rest.substr(0, length))};
  }
  if (first == '<' || first == '>') return {1, std::string(1, first)};  // GCC's quotation marks

  std::size_t at = 0, form_begin = 0;
  while (ascii::is_digit(char_at(rest, at))) ++at;
  const std::size_t digits = at;
  if (digits > 0 && char_at(rest, at) == '$') form_begin = ++at;
  while (is_one_of(char_at(rest, at), "-+#0'I") && char_at(rest, at) != '\0') ++at;
  while (ascii::is_digit(char_at(rest, at)) || char_at(rest, at) == '*') ++at;
  if (char_at(rest, at) == '.') {
    ++at;
    while (ascii::is_digit(char_at(rest, at)) || char_at(rest, at) == '*') ++at;
  }
  while (is_one_of(char_at(rest, at), "hlLqjztw") && char_at(rest, at) != '\0' &&
         ascii::is_letter(char_at(rest, at + 1)))
    ++at;
  if (ascii::is_letter(char_at(rest, at))) {
    ++at;
    return {at, std::string(rest.substr(form_begin, at - form_begin))};
  }
  if (digits > 0 && form_begin == 0) return {digits, std::string(rest.substr(0, digits))};  // Qt's "%1"
  return {};
}

Found directive_at(std::string_view text, std::size_t at) {
  const std::string_view rest = text.substr(at + 1);
  if (text[at] == '%') {
    Found found = percent_directive(rest);
    if (found.length > 0) found = {found.length + 1, "%" + found.form};
    return found;
  }
  if (text[at] == '{') {
    const std::size_t length = closed_name(rest, 0, '}');
    return length > 0 ? Found{length + 1, std::string(text.substr(at, length + 1))} : Found{};
  }
  std::size_t length = 0;  // '$'
  if (char_at(rest, 0) == '{') {
    length = closed_name(rest, 1, '}');
    if (length > 0) ++length;
  } else if (ascii::is_letter(char_at(rest, 0)) || char_at(rest, 0) == '_') {
    while (ascii::is_letter(char_at(rest, length)) || ascii::is_digit(char_at(rest, length)) ||
           char_at(rest, length) == '_')
      ++length;
  }
  return length > 0 ? Found{length + 1, std::string(text.substr(at, length + 1))} : Found{};
}

constexpr std::string_view kStarts = "%{$";

/// Calls on_text(piece) and on_directive(form) over the text, in order.
template <typename OnText, typename OnDirective>
void scan(std::string_view text, OnText on_text, OnDirective on_directive) {
  std::size_t begin = 0, at = 0;
  while ((at = text.find_first_of(kStarts, at)) != std::string_view::npos) {
    if (text[at] == '%' && char_at(text, at + 1) == '%') {
      at += 2;
      continue;
    }
    const Found found = directive_at(text, at);
    if (found.length == 0) {
      ++at;
      continue;
    }
    on_text(text.substr(begin, at - begin));
    on_directive(found.form);
    begin = at = at + found.length;
  }
  on_text(text.substr(begin));
}

}  // namespace

std::vector<std::string> directives_of(std::string_view text) {
  std::vector<std::string> directives;
  scan(
      text, [](std::string_view) {}, [&](const std::string& form) { directives.push_back(form); });
  std::sort(directives.begin(), directives.end());
  return directives;
}

std::size_t directive_length(std::string_view text, std::size_t at) {
  const bool begins = at < text.size() && kStarts.find(text[at]) != std::string_view::npos;
  return begins ? directive_at(text, at).length : 0;
}

bool same_directives(std::string_view a, std::string_view b) {
  const bool none =
      a.find_first_of(kStarts) == std::string_view::npos && b.find_first_of(kStarts) == std::string_view::npos;
  return none || directives_of(a) == directives_of(b);
}

std::string without_directives(std::string_view text) {
  std::string rest;
  scan(
      text, [&](std::string_view piece) { rest += piece; }, [&](const std::string&) { rest += ' '; });
  return rest;
}

}  // namespace polymoe
