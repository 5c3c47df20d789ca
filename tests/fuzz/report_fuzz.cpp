// Any bytes as metrics.jsonl and, after the first NUL byte, as usage.json of a run folder: an Error, or a report in
// which no text of the run's has become markup.

#include <algorithm>

#include "fuzz/scratch.h"
#include "polymoe/base/files.h"
#include "polymoe/report/html_report.h"

namespace {

std::size_t count(std::string_view page, std::string_view mark) {
  std::size_t found = 0;
  for (std::size_t at = 0; (at = page.find(mark, at)) != std::string_view::npos; at += mark.size()) ++found;
  return found;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto run = polymoe::scratch_folder() / "run", out = polymoe::scratch_folder() / "report.html";
  const std::string_view input = polymoe::text_of(data, size);
  const std::size_t end = std::min(input.find('\0'), input.size());
  std::filesystem::create_directories(run);
  polymoe::put_file(run / "metrics.jsonl", input.substr(0, end));
  std::filesystem::remove(run / "usage.json");
  if (end < input.size()) polymoe::put_file(run / "usage.json", input.substr(end + 1));
  // A second time, as a run to compare with.
  if (!polymoe::loads([&] { polymoe::write_html_report({run, run}, out); })) return 0;
  const std::string page = polymoe::read_file(out);
  polymoe::require(count(page, "<script") == 1 && count(page, "</script") == 1 && page.ends_with("</html>\n"));
  polymoe::require(page.find('\0') == std::string::npos);
  return 0;
}
