#include <algorithm>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/core.h>

#include "polymoe/base/error.h"
#include "polymoe/base/utf8.h"
#include "polymoe/formats/document.h"

namespace polymoe {
namespace {

std::vector<std::string> cells_of(std::string_view line) {
  std::vector<std::string> cells;
  for (std::size_t begin = 0; begin <= line.size();) {
    const std::size_t end = std::min(line.find('\t', begin), line.size());
    cells.emplace_back(line.substr(begin, end - begin));
    begin = end + 1;
  }
  return cells;
}

/// The first line names the columns. The target's column, a new one where it is missing, is filled where it is empty.
class TsvDocument : public Document {
 public:
  TsvDocument(const std::string& bytes, const DocumentContext& context) {
    check_document_text(bytes, context.path);
    std::string_view rest = bytes;
    if (rest.starts_with(kByteOrderMark)) rest.remove_prefix(kByteOrderMark.size());
    for (std::size_t begin = 0; begin < rest.size();) {
      const std::size_t end = std::min(rest.find('\n', begin), rest.size());
      std::string_view line = rest.substr(begin, end - begin);
      if (line.ends_with('\r')) line.remove_suffix(1);
      rows_.push_back(cells_of(line));
      begin = end + 1;
    }
    find_columns(context);
    for (std::size_t row = 1; row < rows_.size(); ++row) add_row(row, context);
  }

  std::string fill(std::size_t segment, const std::vector<Span>& translation) override {
    std::string text = text_of(translation);
    std::replace(text.begin(), text.end(), '\t', ' ');
    rows_.at(segments_.at(segment).line - 1).at(target_) = std::move(text);
    return "";
  }

  std::string text() override {
    std::string text;
    for (const std::vector<std::string>& row : rows_) {
      for (std::size_t i = 0; i < row.size(); ++i) {
        if (i > 0) text += '\t';
        text += row[i];
      }
      text += '\n';
    }
    return text;
  }

 private:
  void find_columns(const DocumentContext& context) {
    if (rows_.empty()) throw Error("is empty", {context.path, 0});
    std::vector<std::string>& names = rows_[0];
    const LanguagePlaces places = places_of_languages(names, context.source, context.target);
    source_ = places.source;
    if (source_ == names.size()) {
      throw Error(fmt::format("no column of the first line is named '{}'", context.source), {context.path, 1},
                  fmt::format("put a first line there that names the columns' languages, e.g. '{}'", context.source));
    }
    columns_ = names.size();
    target_ = places.target;
    if (target_ == columns_) names.push_back(context.target);
  }

  void add_row(std::size_t row, const DocumentContext& context) {
    std::vector<std::string>& cells = rows_[row];
    if (cells.size() != columns_) {
      throw Error(fmt::format("{} tab-separated columns where {} are expected", cells.size(), columns_),
                  {context.path, row + 1}, "give each line as many columns as the first one has");
    }
    if (target_ == columns_) cells.emplace_back();
    if (!cells[target_].empty()) {
      ++passed_over_["lines that have a translation already"];
    } else if (shows_nothing(cells[source_])) {
      ++passed_over_["lines without text"];
    } else {
      segments_.push_back({.spans = {{Span::Kind::kText, cells[source_], 0}}, .line = row + 1, .has_directives = true});
    }
  }

  std::vector<std::vector<std::string>> rows_;
  std::size_t columns_ = 0, source_ = 0, target_ = 0;
};

}  // namespace

std::unique_ptr<Document> read_tsv_document(const std::string& bytes, const DocumentContext& context) {
  return std::make_unique<TsvDocument>(bytes, context);
}

}  // namespace polymoe
