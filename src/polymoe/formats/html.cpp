#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "polymoe/formats/document.h"
#include "polymoe/formats/markup.h"
#include "polymoe/text/segment_cleaning.h"

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

/// Attributes that hold prose, and elements whose "title" is none.
constexpr std::string_view kProse = " alt aria-label placeholder title ";
constexpr std::string_view kWithoutProse = " link script style ";

/// translate="no" or class="notranslate".
bool is_untranslated(std::string_view tag) {
  for (const MarkupAttribute& attribute : attributes_of(tag)) {
    std::string value(tag.substr(attribute.begin, attribute.end - attribute.begin));
    if (attribute.name == "translate" && (value == "no" || value == "NO")) return true;
    if (attribute.name != "class") continue;
    for (char& c : value) c = c == '\t' || c == '\n' || c == '\r' || c == '\f' ? ' ' : c;
    if (is_one_of("notranslate", " " + value + " ")) return true;
  }
  return false;
}

/// The text of an attribute, for between quotes of either kind.
std::string escape_value(std::string_view text) {
  std::string escaped;
  for (const char c : escape_markup(text)) escaped += c == '"' ? "&quot;" : c == '\'' ? "&#39;" : std::string(1, c);
  return escaped;
}

/// A page or a fragment. Text with the inline tags in it is a segment, up to a tag that ends a paragraph, and so are
/// some attributes. All else stays as it is, byte for byte.
class HtmlDocument : public Document {
 public:
  HtmlDocument(const std::string& bytes, const DocumentContext& context)
      : bytes_(bytes), reader_(bytes_), is_xml_(extension_of(context.path) == ".xhtml") {
    check_document_text(bytes, context.path);
    for (MarkupToken token = reader_.next(); token.kind != Kind::kEnd; token = reader_.next()) {
      token_begin_ = reader_.position() - token.bytes.size();
      add(token);
    }
    end_segment();
  }

  std::string fill(std::size_t segment, const std::vector<Span>& translation) override {
    places_.at(segment).translation = translation;
    return "";
  }

  std::string text() override {
    std::vector<std::string> pieces(pieces_.begin(), pieces_.end());
    const auto joined = [&](const Range& range) {
      std::string text;
      for (std::size_t piece = range.begin; piece < range.end; ++piece) text += pieces[piece];
      return text;
    };
    for (const Place& place : places_) {  // attributes come before the text whose tags they are in
      if (place.translation.empty()) continue;
      std::vector<std::string> tags;
      for (const Range& tag : place.tags) tags.push_back(joined(tag));
      std::string text = write_spans(place.translation, tags, place.quote ? escape_value : escape_markup);
      if (place.quote == '\0') text = '"' + text + '"';
      for (std::size_t piece = place.pieces.begin; piece < place.pieces.end; ++piece) pieces[piece].clear();
      pieces[place.pieces.begin] = std::move(text);
    }
    return joined({0, pieces.size()});
  }

 private:
  /// Some of the page's pieces.
  struct Range {
    std::size_t begin = 0, end = 0;
  };

  /// Where a segment stands. Attributes of its tags are places of their own, within it.
  struct Place {
    Range pieces;
    std::vector<Range> tags;
    std::optional<char> quote = {};  // of an attribute: what stands around it, '\0' for nothing
    std::vector<Span> translation = {};
  };

  void add(const MarkupToken& token) {
    // HTML's own elements do not close themselves: "<b/>" opens what "<b>" opens.
    const bool opens = token.kind == Kind::kOpen || (token.kind == Kind::kEmpty && !is_xml_);
    if (token.kind == Kind::kText) {
      begin_segment();
      add_characters(token.bytes, spans_, tags_);
    } else if (token.kind == Kind::kOther) {
      begin_segment();
      add_tag(Span::Kind::kEmpty, "x", add_piece(token.bytes));
    } else if (opens && is_one_of(token.name, kRaw)) {
      end_segment();
      add_opening(token);
      add_piece(reader_.raw_text(token.name));
      if (reader_.position() == bytes_.size()) ++passed_over_[kUnclosed];
    } else if (token.kind == Kind::kOpen && !is_one_of(token.name, kVoid) &&
               (is_one_of(token.name, kOpaque) || is_untranslated(token.bytes))) {
      add_opaque(token);
    } else if (!is_one_of(token.name, kInline)) {
      end_segment();
      add_opening(token);
    } else {
      const bool stands_alone = token.kind != Kind::kClose && (!opens || is_one_of(token.name, kVoid));
      const Span::Kind kind = stands_alone ? Span::Kind::kEmpty : opens ? Span::Kind::kOpen : Span::Kind::kClose;
      begin_segment();
      add_tag(kind, token.name, add_opening(token));
    }
  }

  /// An element as a whole, from its opening tag; what never closes is the rest of the page.
  void add_opaque(const MarkupToken& opening) {
    const bool is_inline = is_one_of(opening.name, kInline);
    if (!is_inline) end_segment();
    begin_segment();
    if (!is_untranslated(opening.bytes)) ++passed_over_["elements without prose, such as <code> and <svg>"];
    Range whole = add_opening(opening);
    const std::size_t begin = reader_.position();
    for (std::size_t depth = 1; depth > 0;) {
      const MarkupToken token = reader_.next();
      if (token.kind == Kind::kEnd) {
        ++passed_over_[kUnclosed];
        break;
      }
      if (token.name != opening.name) continue;
      if (token.kind == Kind::kOpen) ++depth;
      if (token.kind == Kind::kClose) --depth;
    }
    whole.end = add_piece(std::string_view(bytes_).substr(begin, reader_.position() - begin)).end;
    if (is_inline) add_tag(Span::Kind::kEmpty, opening.name, whole);
  }

  Range add_piece(std::string_view bytes) {
    pieces_.push_back(bytes);
    return {pieces_.size() - 1, pieces_.size()};
  }

  /// A tag of any kind, with those of its attributes that are translated as places.
  Range add_opening(const MarkupToken& token) {
    const std::size_t first = pieces_.size();
    std::size_t written = 0;
    const bool has_prose = token.kind != Kind::kClose && !is_one_of(token.name, kWithoutProse);
    const bool is_left = has_prose && is_untranslated(token.bytes);
    if (is_left) ++passed_over_["elements that say that they are not translated"];
    if (has_prose && !is_left) {
      for (const MarkupAttribute& attribute : attributes_of(token.bytes)) {
        if (!is_one_of(attribute.name, kProse)) continue;
        add_piece(token.bytes.substr(written, attribute.begin - written));
        add_value(token.bytes.substr(attribute.begin, attribute.end - attribute.begin), attribute.quote);
        written = attribute.end;
      }
    }
    add_piece(token.bytes.substr(written));
    return {first, pieces_.size()};
  }

  void add_value(std::string_view value, char quote) {
    Place place{.pieces = {pieces_.size(), 0}, .tags = {}, .quote = quote};
    Segment segment{.spans = {}, .line = line_of(token_begin_)};
    add_characters(value, segment.spans, place.tags);
    place.pieces.end = pieces_.size();
    if (!has_letters(text_of(segment.spans))) return;
    segments_.push_back(std::move(segment));
    places_.push_back(std::move(place));
  }

  void add_tag(Span::Kind kind, const std::string& name, const Range& pieces) {
    spans_.push_back({kind, name, tags_.size()});
    tags_.push_back(pieces);
  }

  void add_characters(std::string_view text, std::vector<Span>& spans, std::vector<Range>& tags) {
    for (std::size_t at = 0; at < text.size();) {
      const std::size_t amp = std::min(text.find('&', at), text.size());
      add_text(spans, text.substr(at, amp - at));
      if (amp > at) add_piece(text.substr(at, amp - at));
      at = amp;
      if (at == text.size()) break;
      const std::size_t length = entity_length(text, at);
      const std::string_view bytes = text.substr(at, std::max<std::size_t>(1, length));
      const std::string character = length > 0 ? entity_text(bytes) : "&";
      const Range piece = add_piece(bytes);
      if (character.empty()) {
        spans.push_back({Span::Kind::kEmpty, "x", tags.size()});
        tags.push_back(piece);
      } else {
        add_text(spans, character);
      }
      at += bytes.size();
    }
  }

  /// The line of a byte; bytes come in their order.
  std::uint64_t line_of(std::size_t byte) {
    while (counted_ < byte) line_ += bytes_[counted_++] == '\n' ? 1 : 0;
    return line_;
  }

  void begin_segment() {
    if (!spans_.empty()) return;
    first_piece_ = pieces_.size();
    first_line_ = line_of(token_begin_);
  }

  void end_segment() {
    if (has_letters(text_of(spans_))) {
      segments_.push_back({.spans = std::move(spans_), .line = first_line_});
      places_.push_back({.pieces = {first_piece_, pieces_.size()}, .tags = std::move(tags_)});
    }
    spans_.clear();
    tags_.clear();
  }

  static constexpr const char* kUnclosed = "elements that are never closed: the rest of the page is left untranslated";

  const std::string bytes_;
  MarkupReader reader_;
  const bool is_xml_;
  // Of the page: text, entities, tags; of a tag with attributes that are segments, several.
  std::vector<std::string_view> pieces_;
  std::vector<Place> places_;  // of each segment
  std::size_t token_begin_ = 0;
  // The text segment under way.
  std::vector<Span> spans_;
  std::vector<Range> tags_;
  std::size_t first_piece_ = 0;
  std::uint64_t first_line_ = 1;
  // How far lines were counted.
  std::uint64_t line_ = 1;
  std::size_t counted_ = 0;
};

}  // namespace

std::unique_ptr<Document> read_html_document(const std::string& bytes, const DocumentContext& context) {
  return std::make_unique<HtmlDocument>(bytes, context);
}

}  // namespace polymoe
