#include "polymoe/evaluate/segments.h"

#include "polymoe/base/error.h"
#include "polymoe/base/files.h"
#include "polymoe/text/text_encoding.h"

namespace polymoe {

std::vector<std::string> read_segments(const std::string& path) {
  LineReader reader(path);
  check_beginning(reader);
  std::vector<std::string> segments;
  std::string line;
  while (reader.next(line)) {
    check_text(line, {reader.path(), reader.line_number()});
    segments.push_back(line);
  }
  return segments;
}

void check_streams(std::size_t hypotheses, std::span<const std::vector<std::string>> reference_streams) {
  if (reference_streams.empty()) fail("there is no reference to compare the hypotheses with");
  for (std::size_t i = 0; i < reference_streams.size(); ++i) {
    if (reference_streams[i].size() == hypotheses) continue;
    fail("{} hypotheses cannot pair up with reference {}, whose length is {}", hypotheses, i + 1,
         reference_streams[i].size());
  }
  if (hypotheses == 0) fail("there are no segments to score");
}

}  // namespace polymoe
