#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace polymoe {

/// A text as the lines that a model translates, and what stands around them: indentation, blank lines, line ends.
class TextLayout {
 public:
  /// `keeps_lines`: paragraphs and list items (see split_paragraphs) are lines of their own, and where a paragraph
  /// takes several lines, its translation is broken to their width; else the whole text is one line.
  TextLayout(std::string_view text, bool keeps_lines);

  /// Clean lines (see clean_line); none for a text of white space.
  const std::vector<std::string>& lines() const { return lines_; }

  /// The text with a translation in the place of each line.
  std::string join(const std::vector<std::string>& translations) const;

 private:
  /// How the paragraph of a line is broken.
  struct Breaks {
    std::size_t width = 0;  ///< in characters; 0: it is one line
    std::string line_end;   ///< with the indentation of the next line
    std::size_t first_indent = 0;
  };

  void add_paragraph(std::string_view paragraph, bool keeps_lines);

  std::vector<std::string> lines_;
  std::vector<Breaks> breaks_;     // of each line
  std::vector<std::string> glue_;  // before each line, and behind the last one
};

}  // namespace polymoe
