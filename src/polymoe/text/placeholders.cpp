#include "polymoe/text/placeholders.h"

#include <algorithm>
#include <unordered_map>
#include <utility>

#include "polymoe/base/ascii.h"
#include "polymoe/text/format_directives.h"

namespace polymoe {
namespace {

constexpr std::size_t kLongestTag = 1000;

/// Bytes of the tag that begins at `at`; 0: none does.
std::size_t tag_length(std::string_view text, std::size_t at) {
  if (text[at] != '<') return 0;
  const std::size_t name = at + (at + 1 < text.size() && text[at + 1] == '/' ? 2 : 1);
  if (name >= text.size() || !ascii::is_letter(text[name])) return 0;
  const std::size_t end = text.substr(0, at + kLongestTag).find_first_of("<>", name);
  return end != std::string_view::npos && text[end] == '>' ? end + 1 - at : 0;
}

/// The name of a tag, without its signs and attributes.
std::string_view tag_name(std::string_view tag) {
  tag.remove_prefix(tag[1] == '/' ? 2 : 1);
  return tag.substr(0, tag.find_first_of(" \t\r\n/>"));
}

/// Bytes of the address that begins at `at`; 0: none does.
std::size_t address_length(std::string_view text, std::size_t at) {
  if (at > 0 && (ascii::is_letter(text[at - 1]) || ascii::is_digit(text[at - 1]))) return 0;
  for (const std::string_view scheme : {"http://", "https://", "ftp://", "file://"}) {
    if (!text.substr(at).starts_with(scheme)) continue;
    std::size_t end = std::min(text.find_first_of(" \t\r\n<>\"", at), text.size());
    while (end > at && std::string_view(".,;:!?)]'").find(text[end - 1]) != std::string_view::npos) --end;
    return end - at > scheme.size() ? end - at : 0;
  }
  return 0;
}

/// The placeholder that begins at `at`; empty: none does.
Placeholder placeholder_at(std::string_view text, std::size_t at) {
  using Kind = Placeholder::Kind;
  if (const std::size_t length = address_length(text, at)) return {Kind::kAddress, at, at + length};
  if (const std::size_t length = tag_length(text, at)) {
    const bool is_lone = text[at + length - 2] == '/';
    const Kind kind = text[at + 1] == '/' ? Kind::kClosingTag : is_lone ? Kind::kLoneTag : Kind::kOpeningTag;
    return {kind, at, at + length};
  }
  return {Kind::kDirective, at, at + directive_length(text, at)};
}

/// Tags that have no partner become lone ones; closing ones learn theirs.
void pair_tags(std::string_view text, std::vector<Placeholder>& found) {
  std::vector<std::size_t> open;
  std::unordered_map<std::string_view, std::size_t> open_of;  // by name, so that one without a partner is known at once
  for (std::size_t i = 0; i < found.size(); ++i) {
    const auto name_of = [&](const Placeholder& tag) { return tag_name(text.substr(tag.begin, tag.end - tag.begin)); };
    if (found[i].kind == Placeholder::Kind::kOpeningTag) {
      open.push_back(i);
      ++open_of[name_of(found[i])];
    }
    if (found[i].kind != Placeholder::Kind::kClosingTag) continue;
    if (open_of[name_of(found[i])] == 0) {
      found[i].kind = Placeholder::Kind::kLoneTag;
      continue;
    }
    const auto partner = std::find_if(open.rbegin(), open.rend(),
                                      [&](std::size_t other) { return name_of(found[other]) == name_of(found[i]); });
    found[i].opening = *partner;
    for (auto other = open.rbegin(); other <= partner; ++other) --open_of[name_of(found[*other])];
    for (auto other = open.rbegin(); other != partner; ++other) found[*other].kind = Placeholder::Kind::kLoneTag;
    open.erase(partner.base() - 1, open.end());
  }
  for (const std::size_t i : open) found[i].kind = Placeholder::Kind::kLoneTag;
}

/// "%s" and "{}" take what they stand for by their order; "%1$s", "%1", "%(name)s" and "{name}" do not.
bool goes_by_order(std::string_view directive) {
  if (directive == "{}") return true;
  const bool named =
      directive.find_first_of("($") != std::string_view::npos || directive.find('{') != std::string_view::npos;
  return directive[0] == '%' && !named && ascii::is_letter(directive.back());
}

std::vector<std::string_view> sorted_texts(std::string_view text, const std::vector<Placeholder>& found) {
  std::vector<std::string_view> texts;
  for (const Placeholder& place : found) texts.push_back(text.substr(place.begin, place.end - place.begin));
  std::sort(texts.begin(), texts.end());
  return texts;
}

std::vector<std::string_view> ordered_directives(std::string_view text, const std::vector<Placeholder>& found) {
  std::vector<std::string_view> texts;
  for (const Placeholder& place : found) {
    const std::string_view own = text.substr(place.begin, place.end - place.begin);
    if (place.kind == Placeholder::Kind::kDirective && goes_by_order(own)) texts.push_back(own);
  }
  return texts;
}

std::size_t count_lone_tags(const std::vector<Placeholder>& found) {
  return static_cast<std::size_t>(std::count_if(
      found.begin(), found.end(), [](const Placeholder& place) { return place.kind == Placeholder::Kind::kLoneTag; }));
}

}  // namespace

std::vector<Placeholder> find_placeholders(std::string_view text) {
  std::vector<Placeholder> found;
  std::size_t last_ordered = Placeholder::kNone;
  for (std::size_t at = 0; (at = text.find_first_of("%{$<hf", at)) != std::string_view::npos;) {
    if (text.substr(at).starts_with("%%")) {
      at += 2;
      continue;
    }
    Placeholder place = placeholder_at(text, at);
    if (place.end == place.begin) {
      ++at;
      continue;
    }
    const bool is_directive = place.kind == Placeholder::Kind::kDirective;
    if (is_directive && goes_by_order(text.substr(place.begin, place.end - place.begin))) {
      place.after = std::exchange(last_ordered, found.size());
    }
    at = place.end;
    found.push_back(place);
  }
  pair_tags(text, found);
  return found;
}

bool keeps_placeholders(std::string_view source, std::string_view translation) {
  const std::vector<Placeholder> wanted = find_placeholders(source), got = find_placeholders(translation);
  return sorted_texts(source, wanted) == sorted_texts(translation, got) &&
         ordered_directives(source, wanted) == ordered_directives(translation, got) &&
         count_lone_tags(got) <= count_lone_tags(wanted);
}

}  // namespace polymoe
