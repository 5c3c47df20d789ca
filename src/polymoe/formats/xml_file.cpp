#include "polymoe/formats/xml_file.h"

#include <algorithm>
#include <array>
#include <iterator>
#include <string_view>

#include "polymoe/base/error.h"
#include "polymoe/base/quote.h"
#include "polymoe/base/utf8.h"
#include "polymoe/formats/document.h"
#include "polymoe/formats/markup.h"

namespace polymoe {
namespace {

constexpr unsigned kParse = pugi::parse_full | pugi::parse_ws_pcdata | pugi::parse_fragment;

/// Elements of TMX and XLIFF whose content is text.
bool is_around_text(const pugi::xml_node& node) {
  constexpr std::array<std::string_view, 4> kNames = {"g", "pc", "mrk", "hi"};
  return std::find(kNames.begin(), kNames.end(), std::string_view(node.name())) != kNames.end();
}

/// Of these, those whose text is to be translated.
bool is_translated(const pugi::xml_node& node) {
  return is_around_text(node) && std::string_view(node.attribute("translate").value()) != "no";
}

/// Elements that stand for one end of a pair of tags.
enum class PairEnd { kNone, kOpens, kCloses };
PairEnd end_of_pair(std::string_view name) {
  if (name == "bpt" || name == "bx" || name == "sc" || name == "sm") return PairEnd::kOpens;
  return name == "ept" || name == "ex" || name == "ec" || name == "em" ? PairEnd::kCloses : PairEnd::kNone;
}

std::uint64_t line_at(std::string_view bytes, std::ptrdiff_t offset) {
  const auto end =
      static_cast<std::size_t>(std::clamp<std::ptrdiff_t>(offset, 0, static_cast<std::ptrdiff_t>(bytes.size())));
  return 1 +
         static_cast<std::uint64_t>(std::count(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(end), '\n'));
}

/// The node after `node` in the order of the document, within `root`; `depth` is kept.
pugi::xml_node next_node(pugi::xml_node node, const pugi::xml_node& root, int& depth) {
  if (node.first_child()) {
    ++depth;
    return node.first_child();
  }
  while (node != root && !node.next_sibling()) {
    node = node.parent();
    --depth;
  }
  return node == root ? pugi::xml_node() : node.next_sibling();
}

/// Elements are asked for an attribute of their own, or of one around them, which is looked for from first to last.
void check_size(const pugi::xml_document& document, const std::string& path) {
  constexpr int kDeepest = 200, kMostAttributes = 1000;
  int depth = 0;
  for (pugi::xml_node node = document.first_child(); node; node = next_node(node, document, depth)) {
    if (depth > kDeepest) throw Error(fmt::format("elements nested over {} deep", kDeepest), {path, 0});
    const auto attributes = node.attributes();
    if (std::distance(attributes.begin(), attributes.end()) > kMostAttributes) {
      throw Error(fmt::format("an element with over {} attributes", kMostAttributes), {path, 0});
    }
  }
}

/// What pugixml's parser, which takes fragments too, does not check.
void check_root(const pugi::xml_document& document, const std::string& path) {
  std::size_t roots = 0;
  for (const pugi::xml_node node : document.children()) {
    if (node.type() == pugi::node_element) ++roots;
    const bool is_text = node.type() == pugi::node_pcdata || node.type() == pugi::node_cdata;
    if (is_text && !shows_nothing(node.value())) throw Error("not XML: text beside its root", {path, 0});
  }
  if (roots != 1) throw Error(fmt::format("not XML: {} root elements", roots), {path, 0});
}

class StringWriter : public pugi::xml_writer {
 public:
  void write(const void* data, std::size_t size) override { text.append(static_cast<const char*>(data), size); }
  std::string text;
};

void add_spans(const pugi::xml_node& element, std::vector<Span>& spans, std::vector<pugi::xml_node>& tags) {
  for (const pugi::xml_node child : element.children()) {
    if (child.type() == pugi::node_pcdata || child.type() == pugi::node_cdata) {
      add_text(spans, child.value());
      continue;
    }
    const std::size_t tag = tags.size();
    tags.push_back(child);
    if (child.type() == pugi::node_element && is_translated(child)) {
      spans.push_back({Span::Kind::kOpen, child.name(), tag});
      add_spans(child, spans, tags);  // load_xml() bounds the depth
      spans.push_back({Span::Kind::kClose, child.name(), tag});
    } else if (const PairEnd end = end_of_pair(child.name()); end != PairEnd::kNone) {
      spans.push_back({end == PairEnd::kOpens ? Span::Kind::kOpen : Span::Kind::kClose, "b", tag});
    } else {
      spans.push_back({Span::Kind::kEmpty, child.type() == pugi::node_element ? child.name() : "x", tag});
    }
  }
}

}  // namespace

void load_xml(pugi::xml_document& document, const std::string& bytes, const std::string& path) {
  const pugi::xml_parse_result result = document.load_buffer(bytes.data(), bytes.size(), kParse);
  if (!result) {
    throw Error(fmt::format("not XML: {}", one_line(result.description())), {path, line_at(bytes, result.offset)},
                "'xmllint --noout' tells more");
  }
  check_root(document, path);
  check_size(document, path);
  const std::string text = save_xml(document);
  check_document_text(text, path);
}

std::string save_xml(pugi::xml_document& document) {
  for (pugi::xml_node node : document.children()) {
    if (node.type() == pugi::node_declaration && node.attribute("encoding")) {
      node.attribute("encoding").set_value("UTF-8");
    }
  }
  StringWriter writer;
  document.save(writer, "", pugi::format_raw | pugi::format_no_declaration, pugi::encoding_utf8);
  return writer.text;
}

std::uint64_t NodeLines::of(const pugi::xml_node& node) {
  const std::ptrdiff_t offset = node.offset_debug();
  if (offset < 0) return 0;
  const std::size_t end = std::min(static_cast<std::size_t>(offset), bytes_.size());
  if (end < counted_) {
    counted_ = 0;
    line_ = 1;
  }
  for (; counted_ < end; ++counted_) line_ += bytes_[counted_] == '\n' ? 1 : 0;
  return line_;
}

std::vector<pugi::xml_node> elements_named(const pugi::xml_node& root, const char* name) {
  std::vector<pugi::xml_node> found;
  int depth = 0;
  for (pugi::xml_node node = root.first_child(); node; node = next_node(node, root, depth)) {
    if (node.type() == pugi::node_element && std::string_view(node.name()) == name) found.push_back(node);
  }
  return found;
}

std::vector<Span> spans_of_xml(const pugi::xml_node& element, std::vector<pugi::xml_node>& tags) {
  std::vector<Span> spans;
  add_spans(element, spans, tags);
  return spans;
}

std::string text_of_xml(const pugi::xml_node& element) {
  std::string text;
  for (const pugi::xml_node child : element.children()) {
    if (child.type() == pugi::node_pcdata || child.type() == pugi::node_cdata) text += child.value();
    if (child.type() == pugi::node_element && is_around_text(child)) text += text_of_xml(child);
  }
  return text;
}

void write_xml_spans(pugi::xml_node element, const std::vector<Span>& spans, const std::vector<pugi::xml_node>& tags) {
  for (const Span& span : spans) {
    const bool is_element = span.kind != Span::Kind::kText && is_translated(tags.at(span.tag));
    switch (is_element || span.kind == Span::Kind::kText ? span.kind : Span::Kind::kEmpty) {
      case Span::Kind::kText:
        element.append_child(pugi::node_pcdata).set_value(span.text.c_str());
        break;
      case Span::Kind::kEmpty:
        element.append_copy(tags.at(span.tag));
        break;
      case Span::Kind::kOpen: {
        pugi::xml_node child = element.append_child(tags.at(span.tag).name());
        for (const pugi::xml_attribute attribute : tags.at(span.tag).attributes()) child.append_copy(attribute);
        element = child;
        break;
      }
      case Span::Kind::kClose:
        element = element.parent();
        break;
    }
  }
}

}  // namespace polymoe
