#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/core.h>
#include <pugixml.hpp>

#include "polymoe/base/error.h"
#include "polymoe/base/utf8.h"
#include "polymoe/formats/document.h"
#include "polymoe/formats/pairs.h"
#include "polymoe/formats/xml_file.h"

namespace polymoe {
namespace {

/// The variants of a unit in both languages; none where it lacks one.
struct Variants {
  Variants(const pugi::xml_node& unit, const DocumentContext& context) {
    std::vector<pugi::xml_node> all;
    std::vector<std::string> names;
    for (const pugi::xml_node variant : unit.children("tuv")) {
      all.push_back(variant);
      names.emplace_back(
          (variant.attribute("xml:lang") ? variant.attribute("xml:lang") : variant.attribute("lang")).value());
    }
    const LanguagePlaces places = places_of_languages(names, context.source, context.target);
    if (places.source < all.size()) source = all[places.source];
    if (places.target < all.size()) target = all[places.target];
  }

  pugi::xml_node source, target;
};

std::string units_without(const std::string& language) { return fmt::format("units without text of '{}'", language); }

/// Reads the file, whose root must be <tmx>.
void load_tmx(pugi::xml_document& document, const std::string& bytes, const DocumentContext& context) {
  load_xml(document, bytes, context.path);
  if (document.child("tmx")) return;
  throw Error("not a translation memory: its root is not <tmx>", {context.path, 0}, "what is it? see --format");
}

/// A translation memory. Units with text of the source and none of the target get a variant of the target.
class TmxDocument : public Document {
 public:
  TmxDocument(const std::string& bytes, const DocumentContext& context) : language_(xml_language(context.target)) {
    load_tmx(document_, bytes, context);
    NodeLines lines(bytes);
    for (const pugi::xml_node unit : elements_named(document_, "tu")) add(unit, lines, context);
  }

  std::string fill(std::size_t segment, const std::vector<Span>& translation) override {
    Unit& unit = units_.at(segment);
    pugi::xml_node variant = unit.target;
    if (!variant) {
      variant = unit.unit.insert_child_after("tuv", unit.source);
      variant.append_attribute("xml:lang").set_value(language_.c_str());
      variant.append_attribute("creationid").set_value("polymoe");
      if (const pugi::xml_node space = unit.source.previous_sibling(); space.type() == pugi::node_pcdata) {
        unit.unit.insert_copy_before(space, variant);
      }
    }
    variant.remove_child("seg");
    write_xml_spans(variant.append_child("seg"), translation, unit.tags);
    return "";
  }

  std::string text() override { return save_xml(document_); }

 private:
  struct Unit {
    pugi::xml_node unit, source, target;
    std::vector<pugi::xml_node> tags;
  };

  void add(const pugi::xml_node& node, NodeLines& lines, const DocumentContext& context) {
    const Variants variants(node, context);
    Unit unit{node, variants.source, variants.target, {}};
    if (!unit.source) {
      ++passed_over_[units_without(context.source)];
      return;
    }
    if (unit.target && !shows_nothing(text_of_xml(unit.target.child("seg")))) {
      ++passed_over_["units that have a translation already"];
      return;
    }
    Segment segment{.spans = spans_of_xml(unit.source.child("seg"), unit.tags),
                    .line = lines.of(node),
                    .line_ends = LineEnds::kParagraphs,
                    .has_directives = true};
    if (shows_nothing(text_of(segment.spans))) {
      ++passed_over_["units without text"];
      return;
    }
    segments_.push_back(std::move(segment));
    units_.push_back(std::move(unit));
  }

  pugi::xml_document document_;
  std::string language_;
  std::vector<Unit> units_;  // of each segment
};

}  // namespace

MoCatalog read_tmx_translations(const std::string& bytes, const DocumentContext& context) {
  pugi::xml_document document;
  load_tmx(document, bytes, context);
  MoCatalog catalog;
  for (const pugi::xml_node unit : elements_named(document, "tu")) {
    const auto [source, target] = Variants(unit, context);
    if (!source || !target) {
      ++catalog.passed_over[units_without(source ? context.target : context.source)];
      continue;
    }
    catalog.messages.push_back({"", text_of_xml(source.child("seg")), "", {text_of_xml(target.child("seg"))}});
  }
  return catalog;
}

std::unique_ptr<Document> read_tmx_document(const std::string& bytes, const DocumentContext& context) {
  return std::make_unique<TmxDocument>(bytes, context);
}

}  // namespace polymoe
