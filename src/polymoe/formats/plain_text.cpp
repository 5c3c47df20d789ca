#include <algorithm>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "polymoe/base/utf8.h"
#include "polymoe/formats/document.h"

namespace polymoe {
namespace {

/// Each line that shows something is a segment.
class TextDocument : public Document {
 public:
  TextDocument(const std::string& bytes, const DocumentContext& context) {
    check_document_text(bytes, context.path);
    for (std::size_t begin = bytes.starts_with(kByteOrderMark) ? kByteOrderMark.size() : 0; begin < bytes.size();) {
      const std::size_t end = std::min(bytes.find('\n', begin), bytes.size());
      lines_.push_back(bytes.substr(begin, end - begin));
      if (!shows_nothing(lines_.back())) {
        segments_.push_back({.spans = {{Span::Kind::kText, lines_.back(), 0}}, .line = lines_.size()});
      }
      begin = end + 1;
    }
    ends_with_line_end_ = bytes.ends_with('\n');
  }

  std::string fill(std::size_t segment, const std::vector<Span>& translation) override {
    lines_.at(segments_.at(segment).line - 1) = text_of(translation);
    return "";
  }

  std::string text() override {
    std::string text;
    for (const std::string& line : lines_) text += line + '\n';
    if (!ends_with_line_end_ && !text.empty()) text.pop_back();
    return text;
  }

 private:
  std::vector<std::string> lines_;
  bool ends_with_line_end_ = false;
};

}  // namespace

std::unique_ptr<Document> read_text_document(const std::string& bytes, const DocumentContext& context) {
  return std::make_unique<TextDocument>(bytes, context);
}

}  // namespace polymoe
