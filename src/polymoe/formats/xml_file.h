#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <pugixml.hpp>

#include "polymoe/formats/segment.h"

/// What the documents in XML share. pugixml resolves no entities but XML's own five, so that no file can make it read
/// others or grow without bounds.
namespace polymoe {

/// Parses; white space, comments and processing instructions stay. Throws Error, with the line, for what is no XML, for
/// text that is not UTF-8 (once converted from the encoding that it declares), and for elements nested too deep.
void load_xml(pugi::xml_document& document, const std::string& bytes, const std::string& path);

/// The document in UTF-8, with as little changed as pugixml can.
std::string save_xml(pugi::xml_document& document);

/// Tells the lines of nodes; fast for nodes in the order of the document.
class NodeLines {
 public:
  /// `bytes`: the document as it was parsed.
  explicit NodeLines(std::string_view bytes) : bytes_(bytes) {}

  /// The line that a node begins on, from 1; 0 where it is not known.
  std::uint64_t of(const pugi::xml_node& node);

 private:
  std::string_view bytes_;
  std::size_t counted_ = 0;
  std::uint64_t line_ = 1;
};

/// All elements of a name below `root`, in the order of the document.
std::vector<pugi::xml_node> elements_named(const pugi::xml_node& root, const char* name);

/// The content of a <seg>, <source> or <target> as spans. Elements around text are pairs of tags; others, such as
/// placeholders, native code and what says translate="no", are empty tags as a whole. `tags` gets the node of each tag,
/// in the order of numbers; both tags of an element have its node.
std::vector<Span> spans_of_xml(const pugi::xml_node& element, std::vector<pugi::xml_node>& tags);

/// The text of an element without its tags.
std::string text_of_xml(const pugi::xml_node& element);

/// Puts spans into an element that is empty, with copies of the tags' nodes.
void write_xml_spans(pugi::xml_node element, const std::vector<Span>& spans, const std::vector<pugi::xml_node>& tags);

}  // namespace polymoe
