#include "polymoe/formats/segment.h"

#include <algorithm>
#include <map>

#include "polymoe/base/utf8.h"

namespace polymoe {
namespace {

bool is_name_byte(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == ':';
}

/// The length of what looks like a tag of show() at `at`; 0: nothing does.
std::size_t tag_length(std::string_view text, std::size_t at) {
  std::size_t end = at + 1;
  if (end < text.size() && text[end] == '/') ++end;
  const std::size_t name = end;
  while (end < text.size() && is_name_byte(text[end])) ++end;
  if (end == name) return 0;
  if (end < text.size() && text[end] == '/') ++end;
  return end < text.size() && text[end] == '>' ? end + 1 - at : 0;
}

bool holds_tag(std::string_view text) {
  for (std::size_t at = 0; (at = text.find('<', at)) != std::string_view::npos; ++at) {
    if (tag_length(text, at) > 0) return true;
  }
  return false;
}

/// For each span that is a tag, what show() has for it; "" for text.
std::vector<std::string> shown_tags(const std::vector<Span>& spans) {
  std::map<std::string, std::size_t> times, number;
  for (const Span& span : spans) {
    if (span.kind == Span::Kind::kOpen || span.kind == Span::Kind::kEmpty) ++times[span.text];
  }
  std::vector<std::string> shown(spans.size());
  std::vector<std::string> open;
  for (std::size_t i = 0; i < spans.size(); ++i) {
    const Span& span = spans[i];
    std::string name = span.text;
    switch (span.kind) {
      case Span::Kind::kText:
        continue;
      case Span::Kind::kClose:
        if (!open.empty()) {
          name = open.back();
          open.pop_back();
        }
        shown[i] = "</" + name + ">";
        continue;
      case Span::Kind::kOpen:
      case Span::Kind::kEmpty:
        break;
    }
    if (times[name] > 1) name += std::to_string(++number[name]);
    if (span.kind == Span::Kind::kOpen) open.push_back(name);
    shown[i] = "<" + name + (span.kind == Span::Kind::kOpen ? ">" : "/>");
  }
  return shown;
}

bool is_blank(const Span& span) { return span.kind == Span::Kind::kText && shows_nothing(span.text); }

/// The index of the tag that closes spans[0], which opens; spans.size() where there is none.
std::size_t find_close(const std::vector<Span>& spans) {
  std::size_t depth = 0;
  for (std::size_t i = 0; i < spans.size(); ++i) {
    if (spans[i].kind == Span::Kind::kOpen) ++depth;
    if (spans[i].kind == Span::Kind::kClose && --depth == 0) return i;
  }
  return spans.size();
}

}  // namespace

std::string text_of(const std::vector<Span>& spans) {
  std::string text;
  for (const Span& span : spans) {
    if (span.kind == Span::Kind::kText) text += span.text;
  }
  return text;
}

bool is_balanced(const std::vector<Span>& spans) {
  if (spans.size() > kMostSpans) return false;
  std::vector<std::string_view> open;
  for (const Span& span : spans) {
    if (span.kind == Span::Kind::kOpen) open.push_back(span.text);
    if (span.kind != Span::Kind::kClose) continue;
    if (open.empty() || open.back() != span.text) return false;
    open.pop_back();
  }
  return open.empty();
}

PeeledSpans peel(const std::vector<Span>& spans) {
  PeeledSpans peeled{.before = {}, .core = spans, .behind = {}};
  if (!is_balanced(spans)) return peeled;
  std::vector<Span>& core = peeled.core;
  const auto stays = [](const Span& span) { return is_blank(span) || span.kind == Span::Kind::kEmpty; };
  for (;;) {
    if (core.empty()) break;
    if (stays(core.front())) {
      peeled.before.push_back(core.front());
      core.erase(core.begin());
    } else if (stays(core.back())) {
      peeled.behind.insert(peeled.behind.begin(), core.back());
      core.pop_back();
    } else if (core.front().kind == Span::Kind::kOpen && find_close(core) + 1 == core.size()) {
      peeled.before.push_back(core.front());
      peeled.behind.insert(peeled.behind.begin(), core.back());
      core.pop_back();
      core.erase(core.begin());
    } else {
      break;
    }
  }
  return peeled;
}

std::string show(const std::vector<Span>& spans) {
  const std::vector<std::string> tags = shown_tags(spans);
  std::string text;
  for (std::size_t i = 0; i < spans.size(); ++i) text += spans[i].kind == Span::Kind::kText ? spans[i].text : tags[i];
  return text;
}

std::optional<std::vector<Span>> read_shown(std::string_view translation, const std::vector<Span>& source) {
  if (!is_balanced(source)) return std::nullopt;
  std::map<std::string, std::size_t, std::less<>> expected;  // index of the span, by what is shown
  const std::vector<std::string> tags = shown_tags(source);
  for (std::size_t i = 0; i < source.size(); ++i) {
    if (source[i].kind != Span::Kind::kText) {
      if (!expected.emplace(tags[i], i).second) return std::nullopt;
    } else if (holds_tag(source[i].text)) {
      return std::nullopt;
    }
  }
  std::vector<Span> spans;
  std::size_t begin = 0;
  const auto add_text = [&](std::size_t end) {
    if (end > begin) spans.push_back({Span::Kind::kText, std::string(translation.substr(begin, end - begin)), 0});
  };
  for (std::size_t at = 0; (at = translation.find('<', at)) != std::string_view::npos;) {
    const std::size_t length = tag_length(translation, at);
    if (length == 0) {
      ++at;
      continue;
    }
    const auto found = expected.find(translation.substr(at, length));
    if (found == expected.end()) return std::nullopt;
    add_text(at);
    spans.push_back(source[found->second]);
    expected.erase(found);
    begin = at = at + length;
  }
  add_text(translation.size());
  // Two pairs of one name cannot be taken for each other: they are numbered.
  if (!expected.empty() || !is_balanced(spans)) return std::nullopt;
  return spans;
}

}  // namespace polymoe
