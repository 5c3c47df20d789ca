#include <algorithm>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "formats/document.h"
#include "formats/markup.h"
#include "text/segment_cleaning.h"

namespace polymoe {
namespace {

using Kind = MarkupToken::Kind;

// Names of elements, each between spaces.

/// Elements within a sentence; any other ends it.
constexpr std::string_view kInline =
    " a abbr acronym b bdi bdo big cite code data del dfn em font i img ins kbd label mark q rp rt ruby s samp small "
    "span strike strong sub sup time tt u var wbr ";
/// Elements without a closing tag.
constexpr std::string_view kVoid = " area base br col embed hr img input link meta param source track wbr ";
/// Elements whose content is no prose.
constexpr std::string_view kOpaque = " code kbd math pre samp svg tt var ";
/// Elements whose content holds no tags.
constexpr std::string_view kRaw = " iframe noembed noframes script style textarea xmp ";

bool is_one_of(std::string_view name, std::string_view names) {
  std::string wanted = " ";
  wanted.append(name).append(" ");
  return names.find(wanted) != std::string_view::npos;
}

/// The value of a tag's attribute, its white space as spaces; "" where it lacks it.
std::string attribute_of(std::string_view tag, std::string_view name) {
  constexpr std::string_view kSpaces = " \t\n\r\f";
  std::size_t at = std::min(tag.find_first_of(" \t\n\r\f/"), tag.size());
  for (;;) {
    at = tag.find_first_not_of(" \t\n\r\f/", at);
    if (at >= tag.size() || tag[at] == '>') return "";
    const std::size_t end = std::min(tag.find_first_of(" \t\n\r\f/>=", at + 1), tag.size());
    std::string found(tag.substr(at, end - at));
    for (char& c : found) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c | 0x20 : c);
    at = std::min(tag.find_first_not_of(kSpaces, end), tag.size());
    if (at == tag.size() || tag[at] != '=') continue;
    at = std::min(tag.find_first_not_of(kSpaces, at + 1), tag.size());
    const bool quoted = at < tag.size() && (tag[at] == '"' || tag[at] == '\'');
    const std::size_t begin = quoted ? at + 1 : at;
    at = std::min(quoted ? tag.find(tag[at], begin) : tag.find_first_of(" \t\n\r\f>", begin), tag.size());
    std::string value(tag.substr(begin, at - begin));
    if (quoted && at < tag.size()) ++at;
    if (found != name) continue;
    for (char& c : value) c = kSpaces.find(c) == std::string_view::npos ? c : ' ';
    return value;
  }
}

/// translate="no" or class="notranslate".
bool is_untranslated(std::string_view tag) {
  const std::string translate = attribute_of(tag, "translate");
  return translate == "no" || translate == "NO" || is_one_of("notranslate", " " + attribute_of(tag, "class") + " ");
}

/// A page or a fragment. Text with the inline tags in it is a segment, up to a tag that ends a paragraph. All tags,
/// comments, scripts and attributes stay as they are, byte for byte.
class HtmlDocument : public Document {
 public:
  HtmlDocument(const std::string& bytes, const DocumentContext& context)
      : bytes_(bytes), reader_(bytes_), is_xml_(context.path.ends_with(".xhtml")) {
    check_document_text(bytes, context.path);
    for (MarkupToken token = reader_.next(); token.kind != Kind::kEnd; token = reader_.next()) add(token);
    end_segment();
    parts_.push_back(std::move(between_));
  }

  std::string fill(std::size_t segment, const std::vector<Span>& translation) override {
    parts_.at(2 * segment + 1) = write_spans(translation, tags_.at(segment), escape_markup);
    return "";
  }

  std::string text() override {
    std::string text;
    for (const std::string& part : parts_) text += part;
    return text;
  }

 private:
  void add(const MarkupToken& token) {
    // HTML's own elements do not close themselves: "<b/>" opens what "<b>" opens.
    const bool opens = token.kind == Kind::kOpen || (token.kind == Kind::kEmpty && !is_xml_);
    if (token.kind == Kind::kText) {
      add_characters(token.bytes);
    } else if (token.kind == Kind::kOther) {
      add_tag(Span::Kind::kEmpty, "x", std::string(token.bytes));
    } else if (opens && is_one_of(token.name, kRaw)) {
      end_segment();
      between_ += token.bytes;
      between_ += reader_.raw_text(token.name);
      if (reader_.position() == bytes_.size()) ++passed_over_[kUnclosed];
    } else if (token.kind == Kind::kOpen && !is_one_of(token.name, kVoid) &&
               (is_one_of(token.name, kOpaque) || is_untranslated(token.bytes))) {
      add_opaque(token);
    } else if (!is_one_of(token.name, kInline)) {
      end_segment();
      between_ += token.bytes;
    } else {
      const bool stands_alone = token.kind != Kind::kClose && (!opens || is_one_of(token.name, kVoid));
      const Span::Kind kind = stands_alone ? Span::Kind::kEmpty : opens ? Span::Kind::kOpen : Span::Kind::kClose;
      add_tag(kind, token.name, std::string(token.bytes));
    }
  }

  /// An element as a whole, from its opening tag; what never closes is the rest of the page.
  void add_opaque(const MarkupToken& opening) {
    ++passed_over_[is_untranslated(opening.bytes) ? "elements that say that they are not translated"
                                                  : "elements without prose, such as <code> and <svg>"];
    std::string whole(opening.bytes);
    for (std::size_t depth = 1; depth > 0;) {
      const MarkupToken token = reader_.next();
      if (token.kind == Kind::kEnd) {
        ++passed_over_[kUnclosed];
        break;
      }
      whole += token.bytes;
      if (token.name != opening.name) continue;
      if (token.kind == Kind::kOpen) ++depth;
      if (token.kind == Kind::kClose) --depth;
    }
    if (is_one_of(opening.name, kInline)) return add_tag(Span::Kind::kEmpty, opening.name, std::move(whole));
    end_segment();
    between_ += whole;
  }

  void add_tag(Span::Kind kind, const std::string& name, std::string bytes) {
    source_ += bytes;
    spans_.push_back({kind, name, segment_tags_.size()});
    segment_tags_.push_back(std::move(bytes));
  }

  void add_characters(std::string_view text) {
    for (std::size_t at = 0; at < text.size();) {
      const std::size_t amp = std::min(text.find('&', at), text.size());
      add_text(spans_, text.substr(at, amp - at));
      source_ += text.substr(at, amp - at);
      at = amp;
      if (at == text.size()) break;
      const std::size_t length = entity_length(text, at);
      const std::string_view bytes = text.substr(at, std::max<std::size_t>(1, length));
      const std::string character = length > 0 ? entity_text(bytes) : "&";
      if (character.empty()) {
        add_tag(Span::Kind::kEmpty, "x", std::string(bytes));
      } else {
        add_text(spans_, character);
        source_ += bytes;
      }
      at += bytes.size();
    }
  }

  void end_segment() {
    if (has_letters(text_of(spans_))) {
      parts_.push_back(std::move(between_));
      parts_.push_back(std::move(source_));
      segments_.push_back({.spans = std::move(spans_), .line = line_});
      tags_.push_back(std::move(segment_tags_));
      between_.clear();
    } else {
      between_ += source_;
    }
    source_.clear();
    spans_.clear();
    segment_tags_.clear();
    while (counted_ < reader_.position()) line_ += bytes_[counted_++] == '\n' ? 1 : 0;
  }

  static constexpr const char* kUnclosed = "elements that are never closed: the rest of the page is left untranslated";

  const std::string bytes_;
  MarkupReader reader_;
  const bool is_xml_;
  std::vector<std::string> parts_;  // of the page, in turn: between segments, and segments
  std::vector<std::vector<std::string>> tags_;
  // The segment under way, and what was met since the last one.
  std::string between_, source_;
  std::vector<Span> spans_;
  std::vector<std::string> segment_tags_;
  std::uint64_t line_ = 1;
  std::size_t counted_ = 0;
};

}  // namespace

std::unique_ptr<Document> read_html_document(const std::string& bytes, const DocumentContext& context) {
  return std::make_unique<HtmlDocument>(bytes, context);
}

}  // namespace polymoe
