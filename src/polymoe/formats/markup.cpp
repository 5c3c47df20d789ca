#include "polymoe/formats/markup.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include "polymoe/base/ascii.h"
#include "polymoe/base/utf8.h"

namespace polymoe {
namespace {

using Kind = MarkupToken::Kind;

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f'; }
char lower(char c) { return static_cast<char>(c >= 'A' && c <= 'Z' ? c | 0x20 : c); }

/// Where a tag ends that begins before `at`, past its '>'; npos where the text ends first. A '>' in quotes ends none.
std::size_t tag_end(std::string_view text, std::size_t at) {
  bool value_begins = false;  // quotes count only there
  for (; at < text.size(); ++at) {
    const char c = text[at];
    if (c == '>') return at + 1;
    if (value_begins && (c == '"' || c == '\'')) {
      at = text.find(c, at + 1);
      if (at == std::string_view::npos) return at;
    }
    value_begins = c == '=' || (value_begins && is_space(c));
  }
  return std::string_view::npos;
}

/// Past the end of a "<!" or "<?"; npos where the text ends first.
std::size_t other_end(std::string_view text, std::size_t at) {
  const std::string_view rest = text.substr(at);
  std::string_view end = ">";
  std::size_t skip = 2;
  if (rest.starts_with("<!--")) {
    end = "-->";
    skip = 4;
    if (rest.substr(skip).starts_with(">")) return at + skip + 1;
    if (rest.substr(skip).starts_with("->")) return at + skip + 2;
  } else if (rest.starts_with("<![CDATA[")) {
    end = "]]>";
  }
  const std::size_t found = text.find(end, at + skip);
  return found == std::string_view::npos ? found : found + end.size();
}

/// Letters of Latin-1 that have names, in the order of their codes from U+00A0.
constexpr std::array<const char*, 96> kLatin1 = {
    "nbsp",   "iexcl",  "cent",   "pound",  "curren", "yen",    "brvbar", "sect",   "uml",    "copy",   "ordf",
    "laquo",  "not",    "shy",    "reg",    "macr",   "deg",    "plusmn", "sup2",   "sup3",   "acute",  "micro",
    "para",   "middot", "cedil",  "sup1",   "ordm",   "raquo",  "frac14", "frac12", "frac34", "iquest", "Agrave",
    "Aacute", "Acirc",  "Atilde", "Auml",   "Aring",  "AElig",  "Ccedil", "Egrave", "Eacute", "Ecirc",  "Euml",
    "Igrave", "Iacute", "Icirc",  "Iuml",   "ETH",    "Ntilde", "Ograve", "Oacute", "Ocirc",  "Otilde", "Ouml",
    "times",  "Oslash", "Ugrave", "Uacute", "Ucirc",  "Uuml",   "Yacute", "THORN",  "szlig",  "agrave", "aacute",
    "acirc",  "atilde", "auml",   "aring",  "aelig",  "ccedil", "egrave", "eacute", "ecirc",  "euml",   "igrave",
    "iacute", "icirc",  "iuml",   "eth",    "ntilde", "ograve", "oacute", "ocirc",  "otilde", "ouml",   "divide",
    "oslash", "ugrave", "uacute", "ucirc",  "uuml",   "yacute", "thorn",  "yuml"};

struct NamedCharacter {
  std::string_view name;
  char32_t code;
};
constexpr NamedCharacter kOthers[] = {
    {"amp", U'&'},     {"lt", U'<'},       {"gt", U'>'},       {"quot", U'"'},    {"apos", U'\''},
    {"ensp", 0x2002},  {"emsp", 0x2003},   {"thinsp", 0x2009}, {"zwnj", 0x200C},  {"zwj", 0x200D},
    {"ndash", 0x2013}, {"mdash", 0x2014},  {"lsquo", 0x2018},  {"rsquo", 0x2019}, {"sbquo", 0x201A},
    {"ldquo", 0x201C}, {"rdquo", 0x201D},  {"bdquo", 0x201E},  {"bull", 0x2022},  {"hellip", 0x2026},
    {"prime", 0x2032}, {"lsaquo", 0x2039}, {"rsaquo", 0x203A}, {"euro", 0x20AC},  {"trade", 0x2122},
    {"larr", 0x2190},  {"uarr", 0x2191},   {"rarr", 0x2192},   {"darr", 0x2193},  {"minus", 0x2212}};

}  // namespace

MarkupToken MarkupReader::next() {
  if (at_ >= text_.size()) return {};
  const std::size_t begin = at_;
  const auto char_at = [&](std::size_t at) { return at < text_.size() ? text_[at] : '\0'; };
  const auto is_tag = [&](std::size_t at) {
    return ascii::is_letter(char_at(at + 1)) || (char_at(at + 1) == '/' && ascii::is_letter(char_at(at + 2)));
  };
  const auto take = [&](Kind kind, std::size_t end) {
    at_ = std::min(end, text_.size());
    return MarkupToken{end == std::string_view::npos && kind != Kind::kText ? Kind::kOther : kind,
                       text_.substr(begin, at_ - begin),
                       {}};
  };
  if (text_[at_] == '<') {
    if (char_at(at_ + 1) == '!' || char_at(at_ + 1) == '?') return take(Kind::kOther, other_end(text_, at_));
    if (is_tag(at_)) {
      const bool closes = text_[at_ + 1] == '/';
      std::size_t at = at_ + (closes ? 2 : 1);
      std::string name;
      for (; at < text_.size() && !is_space(text_[at]) && text_[at] != '/' && text_[at] != '>'; ++at) {
        name += lower(text_[at]);
      }
      MarkupToken token = take(closes ? Kind::kClose : Kind::kOpen, tag_end(text_, at));
      token.name = std::move(name);
      if (token.kind == Kind::kOpen && token.bytes.ends_with("/>")) token.kind = Kind::kEmpty;
      return token;
    }
  }
  std::size_t end = at_ + 1;
  while (end < text_.size() &&
         !(text_[end] == '<' && (is_tag(end) || char_at(end + 1) == '!' || char_at(end + 1) == '?'))) {
    end = std::min(text_.find('<', end + 1), text_.size());
  }
  return take(Kind::kText, end);
}

std::string_view MarkupReader::raw_text(std::string_view name) {
  const std::size_t begin = at_;
  for (std::size_t at = begin; (at = text_.find("</", at)) != std::string_view::npos; ++at) {
    const std::string_view rest = text_.substr(at + 2);
    const bool same = rest.size() >= name.size() &&
                      std::equal(name.begin(), name.end(), rest.begin(), [](char a, char b) { return a == lower(b); });
    if (!same) continue;
    const char behind = rest.size() > name.size() ? rest[name.size()] : '>';
    if (!is_space(behind) && behind != '/' && behind != '>') continue;
    at_ = at;
    return text_.substr(begin, at - begin);
  }
  at_ = text_.size();
  return text_.substr(begin);
}

std::vector<MarkupAttribute> attributes_of(std::string_view tag) {
  constexpr std::string_view kSpaces = " \t\n\r\f", kBetween = " \t\n\r\f/", kNameEnds = " \t\n\r\f/>=";
  std::vector<MarkupAttribute> attributes;
  std::size_t at = std::min(tag.find_first_of(kBetween, 1), tag.size());
  for (;;) {
    at = tag.find_first_not_of(kBetween, at);
    if (at >= tag.size() || tag[at] == '>') return attributes;
    MarkupAttribute attribute;
    const std::size_t name_end = std::min(tag.find_first_of(kNameEnds, at + 1), tag.size());
    for (const char c : tag.substr(at, name_end - at)) attribute.name += lower(c);
    at = std::min(tag.find_first_not_of(kSpaces, name_end), tag.size());
    if (at == tag.size() || tag[at] != '=') continue;
    at = std::min(tag.find_first_not_of(kSpaces, at + 1), tag.size());
    if (at < tag.size() && (tag[at] == '"' || tag[at] == '\'')) attribute.quote = tag[at++];
    attribute.begin = at;
    at = attribute.quote == '\0' ? tag.find_first_of(" \t\n\r\f>", at) : tag.find(attribute.quote, at);
    if (at == std::string_view::npos) return attributes;  // the tag ends within it
    attribute.end = at;
    if (attribute.quote != '\0') ++at;
    attributes.push_back(std::move(attribute));
  }
}

void add_text(std::vector<Span>& spans, std::string_view text) {
  if (text.empty()) return;
  if (spans.empty() || spans.back().kind != Span::Kind::kText) spans.push_back({});
  spans.back().text += text;
}

namespace {

/// For each span, the index of the tag that it forms a pair with; its own for text and empty tags, spans.size() for
/// tags without one, and for all of more than kMostSpans.
std::vector<std::size_t> partners(const std::vector<Span>& spans) {
  if (spans.size() > kMostSpans) return std::vector<std::size_t>(spans.size(), spans.size());
  std::vector<std::size_t> partner(spans.size()), open;
  for (std::size_t i = 0; i < spans.size(); ++i) {
    partner[i] = i;
    if (spans[i].kind == Span::Kind::kOpen) {
      partner[i] = spans.size();
      open.push_back(i);
    } else if (spans[i].kind == Span::Kind::kClose) {
      partner[i] = spans.size();
      const auto opener = std::find_if(open.rbegin(), open.rend(),
                                       [&](std::size_t index) { return spans[index].text == spans[i].text; });
      if (opener == open.rend()) continue;
      partner[i] = *opener;
      partner[*opener] = i;
      open.erase(opener.base() - 1, open.end());  // what was opened in between has no partner
    }
  }
  return partner;
}

}  // namespace

std::vector<Span> spans_of_message(std::string_view text, std::vector<std::string>& tags) {
  std::vector<Span> spans;
  MarkupReader reader(text);
  for (MarkupToken token = reader.next(); token.kind != Kind::kEnd; token = reader.next()) {
    if (token.kind == Kind::kText || token.kind == Kind::kOther) {
      add_text(spans, token.bytes);
      continue;
    }
    const Span::Kind kind = token.kind == Kind::kOpen    ? Span::Kind::kOpen
                            : token.kind == Kind::kClose ? Span::Kind::kClose
                                                         : Span::Kind::kEmpty;
    spans.push_back({kind, token.name, tags.size()});
    tags.emplace_back(token.bytes);
  }
  const std::vector<std::size_t> partner = partners(spans);
  std::vector<Span> paired;
  for (std::size_t i = 0; i < spans.size(); ++i) {
    if (spans[i].kind == Span::Kind::kText) {
      add_text(paired, spans[i].text);
    } else if (partner[i] == spans.size()) {
      add_text(paired, tags[spans[i].tag]);
    } else {
      paired.push_back(spans[i]);
    }
  }
  return paired;
}

void settle_unpaired(std::vector<Span>& spans) {
  const std::vector<std::size_t> partner = partners(spans);
  for (std::size_t i = 0; i < spans.size(); ++i) {
    const bool is_tag = spans[i].kind != Span::Kind::kText;
    if (is_tag && partner[i] == spans.size()) spans[i].kind = Span::Kind::kEmpty;
  }
}

std::string write_spans(const std::vector<Span>& spans, const std::vector<std::string>& tags,
                        std::string (*escape)(std::string_view)) {
  std::string text;
  for (const Span& span : spans) text += span.kind == Span::Kind::kText ? escape(span.text) : tags.at(span.tag);
  return text;
}

std::string as_it_is(std::string_view text) { return std::string(text); }

std::string escape_markup(std::string_view text) {
  std::string escaped;
  for (const char c : text) {
    switch (c) {
      case '&':
        escaped += "&amp;";
        break;
      case '<':
        escaped += "&lt;";
        break;
      case '>':
        escaped += "&gt;";
        break;
      default:
        escaped += c;
    }
  }
  return escaped;
}

std::size_t entity_length(std::string_view text, std::size_t at) {
  constexpr std::size_t kLongest = 40;
  std::size_t end = at + 1;
  if (end < text.size() && text[end] == '#') ++end;
  const std::size_t name = end;
  while (end < text.size() && end - at < kLongest && (ascii::is_letter(text[end]) || ascii::is_digit(text[end]))) ++end;
  return end > name && end < text.size() && text[end] == ';' ? end + 1 - at : 0;
}

std::string entity_text(std::string_view bytes) {
  const std::string_view name = bytes.substr(1, bytes.size() - 2);
  char32_t code = 0;
  if (name.starts_with('#')) {
    const bool is_hex = name.size() > 1 && lower(name[1]) == 'x';
    const std::string_view digits = name.substr(is_hex ? 2 : 1);
    std::uint32_t number = 0;
    const auto [end, fault] = std::from_chars(digits.data(), digits.data() + digits.size(), number, is_hex ? 16 : 10);
    const bool surrogate = number >= 0xD800 && number <= 0xDFFF;
    if (fault != std::errc() || end != digits.data() + digits.size() || number > 0x10FFFF || surrogate) return "";
    if (number < ' ' && number != '\t' && number != '\n') return "";
    code = number;
  } else if (const auto letter = std::find(kLatin1.begin(), kLatin1.end(), name); letter != kLatin1.end()) {
    code = 0xA0 + static_cast<char32_t>(letter - kLatin1.begin());
  } else {
    for (const NamedCharacter& other : kOthers) {
      if (other.name == name) code = other.code;
    }
  }
  std::string text;
  if (code != 0) append_utf8(text, code);
  return text;
}

}  // namespace polymoe
