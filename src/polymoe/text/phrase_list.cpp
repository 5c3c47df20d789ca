#include "polymoe/text/phrase_list.h"

#include "polymoe/base/error.h"
#include "polymoe/base/files.h"
#include "polymoe/base/utf8.h"
#include "polymoe/text/text_encoding.h"
#include "polymoe/text/unicode.h"

namespace polymoe {

std::vector<std::string> load_phrases(const std::filesystem::path& path) {
  LineReader reader(path.string());
  check_beginning(reader);
  std::vector<std::string> phrases;
  for (std::string line; reader.next(line);) {
    check_text(line, {reader.path(), reader.line_number()});
    if (!line.starts_with('#') && !shows_nothing(line)) phrases.push_back(line);
  }
  if (phrases.empty()) throw Error("no phrases", {path.string(), 0}, "write one a line");
  return phrases;
}

}  // namespace polymoe
