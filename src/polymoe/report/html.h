#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace polymoe {

/// Text made safe between tags and in quoted attributes; control characters that HTML forbids become U+FFFD.
std::string escape_html(std::string_view text);

/// A language code as the BCP 47 tag that browsers choose fonts and hyphenation by: "zh_CN" -> "zh-CN",
/// "sr@latin" -> "sr-Latn".
std::string language_tag(std::string_view code);

/// "en-de" -> "en → de".
std::string direction_label(std::string_view direction);

/// A <section> with a heading and an optional line below it (already HTML). Without content: nothing.
std::string section(std::string_view id, std::string_view heading, std::string_view lead, std::string_view content);

/// A small square in the colour of run or series `index`.
std::string swatch(std::size_t index);

/// A plain table; cells are HTML. The first column holds the rows' headings, the others are numbers.
struct Table {
  std::string caption;
  std::vector<std::string> header;
  std::vector<std::vector<std::string>> rows;
  bool total = false;  ///< the last row sums up the others
};
std::string render(const Table& table);

}  // namespace polymoe
