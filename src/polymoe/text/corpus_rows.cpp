#include "polymoe/text/corpus_rows.h"

#include <algorithm>
#include <cstddef>

#include <nlohmann/json.hpp>

#include "polymoe/base/files.h"
#include "polymoe/base/json_text.h"
#include "polymoe/base/quote.h"
#include "polymoe/text/text_encoding.h"

namespace polymoe {
namespace {

// A bound on memory, not on segments: a longer line is no text.
constexpr std::size_t kLongestLine = std::size_t{1} << 26;

/// A reader of what begins as text.
LineReader open_text(const std::string& file) {
  LineReader reader(file, kLongestLine);
  check_beginning(reader);
  return reader;
}

/// Why a line is not JSON, and where.
std::string json_fault(const std::string& line) {
  try {
    const nlohmann::json unused = parse_json(line);
  } catch (const nlohmann::json::parse_error& error) {
    const std::string what = error.what();
    if (what.find("surrogate") != std::string::npos) {
      const std::size_t escape = line.rfind("\\u", std::min(error.byte, line.size()) - 1);
      const std::size_t column = escape == std::string::npos ? error.byte : escape + 2;  // of the u that names it
      return fmt::format("not JSON: a lone surrogate at column {}", column);
    }
    return fmt::format("not a JSON object: broken at column {}", error.byte);
  } catch (const nlohmann::json::out_of_range&) {
    return "not JSON: a number beyond all bounds";
  }
  return "not a JSON object";
}

/// One file for each language; a monolingual corpus is the case of one.
class ParallelRows : public RowSource {
 public:
  explicit ParallelRows(const CorpusSpec& spec) : lines_(spec.lines) {
    for (const std::string& file : spec.files) readers_.push_back(open_text(file));
  }

  Found next(std::vector<std::string>& segments, std::string& fault) override {
    std::size_t ended = readers_.size(), longer = readers_.size();
    for (std::size_t i = 0; i < readers_.size(); ++i) {
      (readers_[i].next(segments[i]) ? longer : ended) = i;
    }
    if (longer == readers_.size()) {
      check_end();
      return Found::kEnd;
    }
    if (ended < readers_.size()) {
      unpaired_ = longer;
      fault = fmt::format("'{}' ends after line {}, before this line", readers_[ended].path(),
                          readers_[ended].line_number());
      return Found::kUnpaired;
    }
    return Found::kRow;
  }

  Where where(std::size_t language) const override {
    const LineReader& reader = readers_[unpaired_ < readers_.size() ? unpaired_ : language];
    return {reader.path(), reader.line_number()};
  }

 private:
  void check_end() const {
    const std::uint64_t read = readers_[0].line_number();
    if (lines_ != 0 && read != lines_) {
      throw Error(fmt::format("has {} lines where corpus.json says {}", read, lines_), {readers_[0].path(), read},
                  "make the corpus again");
    }
  }

  std::vector<LineReader> readers_;
  std::uint64_t lines_ = 0;
  std::size_t unpaired_ = static_cast<std::size_t>(-1);
};

class TsvRows : public RowSource {
 public:
  explicit TsvRows(const CorpusSpec& spec) : reader_(open_text(spec.files.at(0))), num_columns_(spec.columns.size()) {
    std::size_t used = 0;  // the languages stand in the order of their columns
    for (const std::string& column : spec.columns) target_of_.push_back(column.empty() ? kIgnored : used++);
    if (spec.has_header) reader_.next(line_);
  }

  Found next(std::vector<std::string>& segments, std::string& fault) override {
    if (!reader_.next(line_)) return Found::kEnd;
    const auto columns = static_cast<std::size_t>(std::count(line_.begin(), line_.end(), '\t')) + 1;
    if (columns != num_columns_) {
      fault = fmt::format("{} tab-separated columns where {} are expected", columns, num_columns_);
      return Found::kMalformed;
    }
    std::size_t begin = 0;
    for (const std::size_t target : target_of_) {
      const std::size_t end = std::min(line_.find('\t', begin), line_.size());
      if (target != kIgnored) segments[target] = line_.substr(begin, end - begin);
      begin = end + 1;
    }
    return Found::kRow;
  }

  Where where(std::size_t) const override { return {reader_.path(), reader_.line_number()}; }

 private:
  LineReader reader_;
  std::size_t num_columns_;
  static constexpr auto kIgnored = static_cast<std::size_t>(-1);
  std::vector<std::size_t> target_of_;  // by column: index of its language, or kIgnored
  std::string line_;
};

class JsonRows : public RowSource {
 public:
  explicit JsonRows(const CorpusSpec& spec) : reader_(open_text(spec.files.at(0))), keys_(spec.columns) {}

  Found next(std::vector<std::string>& segments, std::string& fault) override {
    if (!reader_.next(line_)) return Found::kEnd;
    std::string twice;
    const nlohmann::json row = parse(twice);
    if (!row.is_object()) {
      if (!find_text_fault(line_).message.empty()) {
        segments.assign(keys_.size(), line_);  // it is refused as what it is: no text
        return Found::kRow;
      }
      fault = row.is_discarded() ? json_fault(line_) : "not a JSON object such as {\"en\": \"...\", \"de\": \"...\"}";
      return Found::kMalformed;
    }
    if (!twice.empty()) {
      fault = fmt::format("the key {} stands twice", in_quotes(twice));
      return Found::kMalformed;
    }
    for (std::size_t i = 0; i < keys_.size(); ++i) {
      const auto value = row.find(keys_[i]);
      segments[i].clear();
      if (value == row.end() || value->is_null()) continue;
      if (!value->is_string()) {
        fault = fmt::format("the value of \"{}\" is not a string", keys_[i]);
        return Found::kMalformed;
      }
      segments[i] = value->get<std::string>();
      if (segments[i].find('\0') != std::string::npos) {  // the bytes of the line hold none
        fault = fmt::format("the escape \\u0000, a NUL byte, in the value of \"{}\"", keys_[i]);
        return Found::kMalformed;
      }
      // A segment is one line, whatever the string holds.
      std::replace_if(
          segments[i].begin(), segments[i].end(), [](char c) { return c == '\n' || c == '\r' || c == '\t'; }, ' ');
    }
    return Found::kRow;
  }

  Where where(std::size_t) const override { return {reader_.path(), reader_.line_number()}; }

 private:
  /// The line; `twice` gets the first of the wanted keys that it holds twice, of which the parser keeps one.
  nlohmann::json parse(std::string& twice) const {
    std::vector<bool> seen(keys_.size());
    const auto look = [&](int depth, nlohmann::json::parse_event_t event, nlohmann::json& parsed) {
      if (event != nlohmann::json::parse_event_t::key || depth != 1) return true;
      const auto key = std::find(keys_.begin(), keys_.end(), parsed.get_ref<const std::string&>());
      if (key == keys_.end()) return true;
      const auto index = static_cast<std::size_t>(key - keys_.begin());
      if (seen[index] && twice.empty()) twice = *key;
      seen[index] = true;
      return true;
    };
    return nlohmann::json::parse(line_, look, /*allow_exceptions=*/false);
  }

  LineReader reader_;
  std::vector<std::string> keys_;
  std::string line_;
};

}  // namespace

std::unique_ptr<RowSource> open_rows(const CorpusSpec& spec) {
  switch (spec.kind) {
    case CorpusKind::kTsv:
      return std::make_unique<TsvRows>(spec);
    case CorpusKind::kJsonLines:
      return std::make_unique<JsonRows>(spec);
    case CorpusKind::kFolder:
    case CorpusKind::kFiles:
    case CorpusKind::kMonolingual:
      break;
  }
  return std::make_unique<ParallelRows>(spec);
}

}  // namespace polymoe
