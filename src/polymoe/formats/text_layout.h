#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace polymoe {

/// What a line end in a text means.
enum class LineEnds {
  kSpaces,      ///< no more than a space
  kSeparate,    ///< lines have nothing to do with each other
  kParagraphs,  ///< it may break a paragraph's line; blank lines and list items (see split_paragraphs) separate
};

/// A text as the lines that a model translates, and what stands around them: indentation, blank lines, line ends.
class TextLayout {
 public:
  /// Where a paragraph takes several lines, its translation is broken to their width.
  TextLayout(std::string_view text, LineEnds line_ends);

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

  void add_paragraph(std::string_view paragraph);

  LineEnds line_ends_;
  std::vector<std::string> lines_;
  std::vector<Breaks> breaks_;     // of each line
  std::vector<std::string> glue_;  // before each line, and behind the last one
};

}  // namespace polymoe
