#include "polymoe/formats/text_layout.h"

#include <algorithm>

#include "polymoe/text/segment_cleaning.h"

namespace polymoe {
namespace {

constexpr std::string_view kBlanks = " \t\r\n\f\v";

/// Breaks a line at its spaces. A word that is wider than the width stands alone.
std::string wrap(std::string_view line, std::size_t width, std::size_t first_indent, std::string_view line_end) {
  const std::size_t indent = count_characters(line_end.substr(line_end.find('\n') + 1));
  std::string text;
  std::size_t used = first_indent;
  for (std::size_t begin = 0; begin < line.size();) {
    const std::size_t end = std::min(line.find(' ', begin), line.size());
    const std::string_view word = line.substr(begin, end - begin);
    const std::size_t length = count_characters(word);
    if (!text.empty()) {
      const bool fits = used + 1 + length <= width;
      text += fits ? " " : line_end;
      used = fits ? used + 1 : indent;
    }
    text += word;
    used += length;
    begin = end + 1;
  }
  return text;
}

}  // namespace

TextLayout::TextLayout(std::string_view text, LineEnds line_ends) : line_ends_(line_ends), glue_(1) {
  std::size_t done = 0;
  const auto add = [&](std::string_view paragraph) {
    const auto begin = static_cast<std::size_t>(paragraph.data() - text.data());
    glue_.back() += text.substr(done, begin - done);
    add_paragraph(paragraph);
    done = begin + paragraph.size();
  };
  switch (line_ends_) {
    case LineEnds::kSpaces:
      add(text);
      break;
    case LineEnds::kSeparate:
      for (std::size_t begin = 0; begin < text.size();) {
        const std::size_t end = std::min(text.find('\n', begin), text.size());
        add(text.substr(begin, end - begin));
        begin = end + 1;
      }
      break;
    case LineEnds::kParagraphs:
      for (const std::string_view paragraph : split_paragraphs(text)) add(paragraph);
      break;
  }
  glue_.back() += text.substr(done);
}

void TextLayout::add_paragraph(std::string_view paragraph) {
  std::string line = clean_line(paragraph);
  if (line.empty()) {
    glue_.back() += paragraph;
    return;
  }
  const std::size_t begin = paragraph.find_first_not_of(kBlanks), end = paragraph.find_last_not_of(kBlanks) + 1;
  glue_.back() += paragraph.substr(0, begin);
  Breaks breaks;
  std::size_t line_end = paragraph.find('\n', begin);
  if (line_ends_ == LineEnds::kParagraphs && line_end < end) {
    for (std::size_t from = 0; from < end;) {
      const std::size_t to = std::min(paragraph.find('\n', from), end);
      breaks.width = std::max(breaks.width, count_characters(paragraph.substr(from, to - from)));
      from = to + 1;
    }
    if (line_end > begin && paragraph[line_end - 1] == '\r') --line_end;
    const std::size_t next = std::min(paragraph.find_first_not_of(kBlanks, line_end), end);
    breaks.line_end = paragraph.substr(line_end, next - line_end);
    breaks.first_indent = count_characters(paragraph.substr(0, begin));
  }
  lines_.push_back(std::move(line));
  breaks_.push_back(std::move(breaks));
  glue_.emplace_back(paragraph.substr(end));
}

std::string TextLayout::join(const std::vector<std::string>& translations) const {
  std::string text = glue_[0];
  for (std::size_t i = 0; i < lines_.size(); ++i) {
    const Breaks& breaks = breaks_[i];
    text +=
        breaks.width == 0 ? translations[i] : wrap(translations[i], breaks.width, breaks.first_indent, breaks.line_end);
    text += glue_[i + 1];
  }
  return text;
}

}  // namespace polymoe
