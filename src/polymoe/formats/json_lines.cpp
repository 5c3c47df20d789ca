#include <algorithm>
#include <memory>
#include <optional>
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

struct ByteRange {
  std::size_t begin, end;
};

// Of JSON that was parsed before, so these find what they look for.

std::size_t behind_space(std::string_view json, std::size_t at) { return json.find_first_not_of(" \t\r\n", at); }

/// Behind the string that begins at `at`.
std::size_t end_of_string(std::string_view json, std::size_t at) {
  for (++at; json[at] != '"'; ++at) {
    if (json[at] == '\\') ++at;
  }
  return at + 1;
}

/// Behind the value that begins at `at`.
std::size_t end_of_value(std::string_view json, std::size_t at) {
  std::size_t depth = 0;
  do {
    if (json[at] == '"') {
      at = end_of_string(json, at);
    } else if (json[at] == '{' || json[at] == '[') {
      ++depth;
      ++at;
    } else if (json[at] == '}' || json[at] == ']') {
      --depth;
      ++at;
    } else {
      at = json.find_first_of("\"{}[], \t\r\n", at + 1);
    }
  } while (depth > 0);
  return at;
}

/// The value of a key in the object that begins at `open`, the last where it stands twice; without the key, the empty
/// place in front of the closing brace.
ByteRange value_of(std::string_view json, std::size_t open, std::string_view key) {
  std::optional<ByteRange> found;
  std::size_t at = behind_space(json, open + 1);
  while (json[at] != '}') {
    const std::size_t end = end_of_string(json, at);
    const bool is_key = parse_json(json.substr(at, end - at)).get<std::string>() == key;
    const std::size_t value = behind_space(json, json.find(':', end) + 1);
    at = end_of_value(json, value);
    if (is_key) found = {value, at};
    at = behind_space(json, at);
    if (json[at] == ',') at = behind_space(json, at + 1);
  }
  return found.value_or(ByteRange{at, at});
}

/// One object a line, with the languages as keys, or in an object of the key "translation". A line without text of the
/// target gets one; all else stays as it is, byte for byte.
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
    ends_with_line_end_ = bytes.ends_with('\n');
  }

  std::string fill(std::size_t segment, const std::vector<Span>& translation) override {
    std::string& line = lines_.at(segments_.at(segment).line - 1);
    std::size_t open = line.find('{');
    if (const ByteRange nested = value_of(line, open, kNested); line[nested.begin] == '{') open = nested.begin;
    const ByteRange place = value_of(line, open, target_);
    std::string value = dump_json(nlohmann::json(text_of(translation)));
    if (place.begin == place.end) value = fmt::format(", {}: {}", dump_json(nlohmann::json(target_)), value);
    line.replace(place.begin, place.end - place.begin, value);
    return "";
  }

  std::string text() override {
    std::string text;
    for (const std::string& line : lines_) text += line + '\n';
    if (!ends_with_line_end_ && !text.empty()) text.pop_back();
    return text;
  }

 private:
  static const nlohmann::json& pair_of(const nlohmann::json& row) {
    const auto nested = row.find(kNested);
    return nested != row.end() && nested->is_object() ? *nested : row;
  }

  void add_line(const DocumentContext& context) {
    const std::string& line = lines_.back();
    const Where where{context.path, lines_.size()};
    if (shows_nothing(line)) return;
    if (count_outside_strings(line, "[{") > kDeepest) {
      throw Error("too many lists and objects in one line", where);
    }
    const nlohmann::json row = try_parse_json(line);
    if (!row.is_object()) {
      throw Error("not a JSON object such as {\"en\": \"...\"}", where, "give one object on each line");
    }
    const nlohmann::json& pair = pair_of(row);
    const auto source = pair.find(context.source), target = pair.find(context.target);
    if (source == pair.end() || !source->is_string()) {
      throw Error(fmt::format("no text under the key \"{}\"", context.source), where,
                  "the keys must be the languages' names");
    }
    const bool empty = target == pair.end() || target->is_null() ||
                       (target->is_string() && target->get_ref<const std::string&>().empty());
    if (!empty) {
      ++passed_over_["lines that have a translation already"];
    } else if (const std::string text = source->get<std::string>(); shows_nothing(text)) {
      ++passed_over_["lines without text"];
    } else if (text.find('\0') != std::string::npos) {
      throw Error(fmt::format("the escape \\u0000, a NUL byte, in the value of \"{}\"", context.source), where);
    } else {
      segments_.push_back({.spans = {{Span::Kind::kText, text, 0}},
                           .line = lines_.size(),
                           .line_ends = LineEnds::kParagraphs,
                           .has_directives = true});
    }
  }

  static constexpr std::size_t kDeepest = 10'000;  // values are freed one inside the other
  static constexpr const char* kNested = "translation";

  std::string target_;
  std::vector<std::string> lines_;
  bool ends_with_line_end_ = false;
};

}  // namespace

std::unique_ptr<Document> read_json_lines_document(const std::string& bytes, const DocumentContext& context) {
  return std::make_unique<JsonLinesDocument>(bytes, context);
}

}  // namespace polymoe
