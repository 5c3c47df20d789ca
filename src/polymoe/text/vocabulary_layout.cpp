#include "polymoe/text/vocabulary_layout.h"

#include <array>
#include <set>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "polymoe/base/error.h"
#include "polymoe/base/json_text.h"
#include "polymoe/base/quote.h"
#include "polymoe/text/wire_format.h"

namespace polymoe {
namespace {

using nlohmann::json;

// Fields of sentencepiece_model.proto's ModelProto from 200 on are free for others.
constexpr std::uint64_t kLayoutField = 7001, kTargetModelField = 7002;
constexpr int kFormat = 1;

template <typename Kind, std::size_t count>
using WordTable = std::array<std::pair<Kind, std::string_view>, count>;

constexpr WordTable<TextMarks::Source, 4> kSources{{{TextMarks::Source::kTargetTag, "target-tag"},
                                                    {TextMarks::Source::kSourceTag, "source-tag"},
                                                    {TextMarks::Source::kSourceTagBehind, "source-tag-behind"},
                                                    {TextMarks::Source::kPlain, "plain"}}};
constexpr WordTable<TextMarks::Target, 3> kTargets{
    {{TextMarks::Target::kTag, "tag"}, {TextMarks::Target::kEndTag, "end-tag"}, {TextMarks::Target::kPad, "pad"}}};
constexpr WordTable<VocabularyFamily, 3> kFamilies{
    {{VocabularyFamily::kNllb, "nllb"}, {VocabularyFamily::kM2m100, "m2m100"}, {VocabularyFamily::kMarian, "marian"}}};

template <typename Kind, std::size_t count>
std::string_view name_in(const WordTable<Kind, count>& names, Kind kind) {
  for (const auto& [known, name] : names) {
    if (known == kind) return name;
  }
  return "";
}

// Reads a layout and holds each of its claims against the others.
class LayoutReader {
 public:
  explicit LayoutReader(const std::filesystem::path& path) : path_(path) {}

  VocabularyLayout read(std::string_view text) const {
    const json value = try_parse_json(text);
    if (!value.is_object()) bad("it is not JSON");
    if (number(value, "format", 0, kFormat) != kFormat) bad("it has another format");
    VocabularyLayout layout;
    layout.family = one_of(value, "family", kFamilies);
    layout.marks = {one_of(value, "source", kSources), one_of(value, "target", kTargets)};
    layout.pieces = texts(value, "pieces");
    const auto last = static_cast<std::int64_t>(layout.pieces.size()) - 1;
    layout.begin = number(value, "begin", -1, last);
    layout.pad = number(value, "pad", 0, last);
    layout.end = number(value, "end", 0, last);
    layout.unknown = number(value, "unknown", 0, last);
    layout.mask = number(value, "mask", -1, last);
    for (const json& id : list(value, "special")) layout.special.push_back(in_range(id, "special", 0, last));
    read_languages(value, layout, last);
    if (std::set{layout.pad, layout.end, layout.unknown}.size() < 3) bad("<pad>, </s> and <unk> share an id");
    return layout;
  }

 private:
  [[noreturn]] void bad(const std::string& what) const {
    throw Error("the layout of the vocabulary is damaged: " + what, {path_, 0}, "import the model again");
  }

  const json& field(const json& value, const char* key) const {
    const auto found = value.find(key);
    if (found == value.end()) bad(fmt::format("it has no {}", key));
    return *found;
  }

  const json& list(const json& value, const char* key) const {
    const json& items = field(value, key);
    if (!items.is_array()) bad(fmt::format("its {} are no list", key));
    return items;
  }

  std::int32_t in_range(const json& id, const char* key, std::int64_t low, std::int64_t high) const {
    if (!id.is_number_integer() || id < low || id > high) bad(fmt::format("{} is {}", key, one_line(dump_json(id))));
    return id.get<std::int32_t>();
  }

  std::int32_t number(const json& value, const char* key, std::int64_t low, std::int64_t high) const {
    return in_range(field(value, key), key, low, high);
  }

  std::vector<std::string> texts(const json& value, const char* key) const {
    std::vector<std::string> result;
    for (const json& item : list(value, key)) {
      if (!item.is_string()) bad(fmt::format("one of its {} is no text", key));
      result.push_back(item.get<std::string>());
    }
    return result;
  }

  template <typename Kind, std::size_t count>
  Kind one_of(const json& value, const char* key, const WordTable<Kind, count>& names) const {
    const json& name = field(value, key);
    for (const auto& [kind, known] : names) {
      if (name == known) return kind;
    }
    bad(fmt::format("no {} is named {}", key, one_line(dump_json(name))));
  }

  void read_languages(const json& value, VocabularyLayout& layout, std::int64_t last) const {
    std::set<std::string> seen;
    for (const json& item : list(value, "languages")) {
      if (!item.is_array() || item.size() != 3 || !item[0].is_string() || !item[2].is_boolean()) {
        bad("a language is no list of code, tag and side");
      }
      VocabularyLayout::Language language{item[0].get<std::string>(), in_range(item[1], "a tag", -1, last),
                                          item[2].get<bool>()};
      if (!seen.insert(language.code).second) bad("the language " + in_quotes(language.code) + " is there twice");
      layout.languages.push_back(std::move(language));
    }
    if (layout.languages.empty()) bad("it has no languages");
  }

  const std::filesystem::path& path_;
};

}  // namespace

std::string_view name_of(TextMarks::Source source) { return name_in(kSources, source); }
std::string_view name_of(TextMarks::Target target) { return name_in(kTargets, target); }
std::string_view name_of(VocabularyFamily family) { return name_in(kFamilies, family); }

std::string with_layout(const std::string& model, const VocabularyLayout& layout) {
  json value{{"format", kFormat},
             {"family", name_of(layout.family)},
             {"source", name_of(layout.marks.source)},
             {"target", name_of(layout.marks.target)},
             {"pieces", layout.pieces},
             {"begin", layout.begin},
             {"pad", layout.pad},
             {"end", layout.end},
             {"unknown", layout.unknown},
             {"mask", layout.mask},
             {"special", layout.special},
             {"languages", json::array()}};
  for (const auto& [code, tag, has_target_text] : layout.languages) {
    value["languages"].push_back({code, tag, has_target_text});
  }
  std::string result = model;
  append_wire_bytes(result, kLayoutField, dump_json(value));
  if (!layout.target_model.empty()) append_wire_bytes(result, kTargetModelField, layout.target_model);
  return result;
}

std::string without_layout(std::string_view vocabulary) {
  std::string model;
  WireReader fields(vocabulary);
  while (const auto field = fields.next()) {
    if (field->number != kLayoutField && field->number != kTargetModelField) model += field->whole;
  }
  return model;
}

std::vector<std::string> pieces_of(std::string_view model) {
  constexpr std::uint64_t kPiece = 1, kText = 1;  // sentencepiece_model.proto
  std::vector<std::string> pieces;
  WireReader fields(model);
  while (const auto field = fields.next()) {
    if (field->number != kPiece) continue;
    std::string& piece = pieces.emplace_back();
    WireReader parts(field->bytes);
    while (const auto part = parts.next()) {
      if (part->number == kText) piece = part->bytes;
    }
  }
  return pieces;
}

std::optional<VocabularyLayout> read_layout(std::string_view vocabulary, const std::filesystem::path& path) {
  std::optional<VocabularyLayout> layout;
  std::string target_model;
  WireReader fields(vocabulary);
  while (const auto field = fields.next()) {
    if (field->number == kLayoutField) layout = LayoutReader(path).read(field->bytes);
    if (field->number == kTargetModelField) target_model = field->bytes;
  }
  if (layout) layout->target_model = std::move(target_model);
  return layout;
}

}  // namespace polymoe
