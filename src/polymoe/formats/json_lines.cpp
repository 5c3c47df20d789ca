#include <algorithm>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/core.h>
#include <nlohmann/json.hpp>

#include "polymoe/base/error.h"
#include "polymoe/base/json_text.h"
#include "polymoe/base/utf8.h"
#include "polymoe/formats/document.h"

namespace polymoe {
namespace {

/// One object a line, with the languages as keys, or in an object of the key "translation". A line without text of the
/// target gets one; its keys stay in their order. Other lines stay as they are, byte for byte.
class JsonLinesDocument : public Document {
 public:
  JsonLinesDocument(const std::string& bytes, const DocumentContext& context) : target_(context.target) {
    check_document_text(bytes, context.path);
    for (std::size_t begin = 0; begin < bytes.size();) {
      const std::size_t end = std::min(bytes.find('\n', begin), bytes.size());
      lines_.push_back(bytes.substr(begin, end - begin));
      add_line(context);
      begin = end + 1;
    }
  }

  std::string fill(std::size_t segment, const std::vector<Span>& translation) override {
    std::string& line = lines_.at(segments_.at(segment).line - 1);
    Json row = Json::parse(line);
    pair_of(row)[target_] = text_of(translation);
    line = dump_json(row);
    return "";
  }

  std::string text() override {
    std::string text;
    for (const std::string& line : lines_) text += line + '\n';
    return text;
  }

 private:
  using Json = nlohmann::ordered_json;

  static Json& pair_of(Json& row) {
    const auto nested = row.find("translation");
    return nested != row.end() && nested->is_object() ? *nested : row;
  }

  void add_line(const DocumentContext& context) {
    const std::string& line = lines_.back();
    const Where where{context.path, lines_.size()};
    if (shows_nothing(line)) return;
    if (std::count(line.begin(), line.end(), '[') + std::count(line.begin(), line.end(), '{') > kDeepest) {
      throw Error("too many lists and objects in one line", where);
    }
    Json row = Json::parse(line, nullptr, /*allow_exceptions=*/false);
    if (!row.is_object()) {
      throw Error("not a JSON object such as {\"en\": \"...\"}", where, "give one object on each line");
    }
    const Json& pair = pair_of(row);
    const auto source = pair.find(context.source), target = pair.find(context.target);
    if (source == pair.end() || !source->is_string()) {
      throw Error(fmt::format("no text under the key \"{}\"", context.source), where,
                  "the keys must be the languages' names");
    }
    const bool empty = target == pair.end() || target->is_null() || *target == Json("");
    if (!empty) {
      ++passed_over_["lines that have a translation already"];
    } else if (const std::string text = source->get<std::string>(); shows_nothing(text)) {
      ++passed_over_["lines without text"];
    } else {
      segments_.push_back({.spans = {{Span::Kind::kText, text, 0}},
                           .line = lines_.size(),
                           .line_ends = LineEnds::kParagraphs,
                           .has_directives = true});
    }
  }

  static constexpr std::ptrdiff_t kDeepest = 10'000;  // values are freed one inside the other

  std::string target_;
  std::vector<std::string> lines_;
};

}  // namespace

std::unique_ptr<Document> read_json_lines_document(const std::string& bytes, const DocumentContext& context) {
  return std::make_unique<JsonLinesDocument>(bytes, context);
}

}  // namespace polymoe
