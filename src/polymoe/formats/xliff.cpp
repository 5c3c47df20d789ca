#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/core.h>
#include <pugixml.hpp>

#include "polymoe/base/error.h"
#include "polymoe/base/quote.h"
#include "polymoe/base/utf8.h"
#include "polymoe/formats/document.h"
#include "polymoe/formats/pairs.h"
#include "polymoe/formats/xml_file.h"

namespace polymoe {
namespace {

/// Whether an element, or one around it, says translate="no".
bool is_untranslated(pugi::xml_node node) {
  for (; node; node = node.parent()) {
    const std::string_view translate = node.attribute("translate").value();
    if (translate == "yes") return false;
    if (translate == "no") return true;
  }
  return false;
}

void set_attribute(pugi::xml_node node, const char* name, const char* value) {
  pugi::xml_attribute attribute = node.attribute(name);
  if (!attribute) attribute = node.append_attribute(name);
  attribute.set_value(value);
}

/// Throws Error where a file says that it is of another language.
void check_language(pugi::xml_node node, const char* attribute, const std::string& language, const char* option,
                    const DocumentContext& context) {
  const std::string_view name = node.attribute(attribute).value();
  if (name.empty() || means_language(name, language)) return;
  throw Error(fmt::format("its {} is {}, not '{}'", attribute, in_quotes(name), language), {context.path, 0},
              fmt::format("give that language with {}, or put the file right", option));
}

/// XLIFF 1.2 and 2.x, which name the same things in different ways.
class XliffFile {
 public:
  XliffFile(const std::string& bytes, const DocumentContext& context) {
    load_xml(document_, bytes, context.path);
    const pugi::xml_node root = document_.child("xliff");
    if (!root) throw Error("not XLIFF: its root is not <xliff>", {context.path, 0}, "what is it? see --format");
    is_second_ = std::string_view(root.attribute("version").value()).starts_with("2");
    named_ = is_second_ ? std::vector{root} : elements_named(root, "file");
    for (const pugi::xml_node node : named_) {
      check_language(node, is_second_ ? "srcLang" : "source-language", context.source, "-s", context);
      check_language(node, target_attribute(), context.target, "-t", context);
    }
    units_ = elements_named(root, is_second_ ? "segment" : "trans-unit");
    if (units_.empty()) {
      throw Error(fmt::format("holds no <{}>", is_second_ ? "segment" : "trans-unit"), {context.path, 0},
                  "only XLIFF 1.2 and 2 without name prefixes are read");
    }
  }

  const std::vector<pugi::xml_node>& units() const { return units_; }

  /// Names the target's language where the file does not.
  void name_target(const std::string& language) {
    for (const pugi::xml_node node : named_) {
      if (!node.attribute(target_attribute())) set_attribute(node, target_attribute(), language.c_str());
    }
  }

  void mark_for_review(const pugi::xml_node& unit) const {
    if (is_second_) return set_attribute(unit, "state", "translated");
    set_attribute(unit.child("target"), "state", "needs-review-translation");
    set_attribute(unit.child("target"), "state-qualifier", "mt-suggestion");
  }

  bool waits_for_review(const pugi::xml_node& unit) const {
    const std::string_view state = (is_second_ ? unit : unit.child("target")).attribute("state").value();
    return is_second_ ? state == "initial" || state == "translated" : state == "new" || state.starts_with("needs-");
  }

  std::string text() { return save_xml(document_); }

 private:
  const char* target_attribute() const { return is_second_ ? "trgLang" : "target-language"; }

  pugi::xml_document document_;
  bool is_second_ = false;
  std::vector<pugi::xml_node> named_;  // the elements that name the languages
  std::vector<pugi::xml_node> units_;
};

/// Units without a target, or with an empty one, get one for review.
class XliffDocument : public Document {
 public:
  XliffDocument(const std::string& bytes, const DocumentContext& context) : file_(bytes, context) {
    file_.name_target(xml_language(context.target));
    NodeLines lines(bytes);
    for (const pugi::xml_node unit : file_.units()) add(unit, lines);
  }

  std::string fill(std::size_t segment, const std::vector<Span>& translation) override {
    Unit& unit = units_.at(segment);
    pugi::xml_node target = unit.unit.child("target");
    if (!target) {
      const pugi::xml_node segmented = unit.unit.child("seg-source");
      target = unit.unit.insert_child_after("target", segmented ? segmented : unit.unit.child("source"));
      if (const pugi::xml_node space = unit.unit.child("source").previous_sibling();
          space.type() == pugi::node_pcdata) {
        unit.unit.insert_copy_before(space, target);
      }
    }
    while (target.first_child()) target.remove_child(target.first_child());
    write_xml_spans(target, translation, unit.tags);
    file_.mark_for_review(unit.unit);
    return "";
  }

  std::string text() override { return file_.text(); }

 private:
  struct Unit {
    pugi::xml_node unit;
    std::vector<pugi::xml_node> tags;
  };

  void add(const pugi::xml_node& node, NodeLines& lines) {
    Unit unit{node, {}};
    Segment segment{.spans = spans_of_xml(node.child("source"), unit.tags),
                    .line = lines.of(node),
                    .line_ends = LineEnds::kParagraphs,
                    .has_directives = true};
    if (is_untranslated(node)) {
      ++passed_over_["units that say translate=\"no\""];
    } else if (!shows_nothing(text_of_xml(node.child("target")))) {
      ++passed_over_["units that have a translation already"];
    } else if (shows_nothing(text_of(segment.spans))) {
      ++passed_over_["units without text"];
    } else {
      segments_.push_back(std::move(segment));
      units_.push_back(std::move(unit));
    }
  }

  XliffFile file_;
  std::vector<Unit> units_;  // of each segment
};

}  // namespace

MoCatalog read_xliff_translations(const std::string& bytes, const DocumentContext& context, bool unreviewed) {
  const XliffFile file(bytes, context);
  MoCatalog catalog;
  for (const pugi::xml_node unit : file.units()) {
    if (!unit.child("target")) {
      ++catalog.passed_over["units without a target"];
      continue;
    }
    if (file.waits_for_review(unit) && !unreviewed) {
      ++catalog.passed_over["units that wait for review"];
      continue;
    }
    catalog.messages.push_back({"", text_of_xml(unit.child("source")), "", {text_of_xml(unit.child("target"))}});
  }
  return catalog;
}

std::unique_ptr<Document> read_xliff_document(const std::string& bytes, const DocumentContext& context) {
  return std::make_unique<XliffDocument>(bytes, context);
}

}  // namespace polymoe
