// The first line of the input names corpora, separated by spaces, in a folder where each file that the names can mean
// is the rest of the input: an Error, or corpora whose languages, files and columns belong together.

#include <algorithm>
#include <set>
#include <vector>

#include "fuzz/scratch.h"
#include "polymoe/text/corpus.h"

namespace {

using polymoe::CorpusKind;
using polymoe::CorpusSpec;
using polymoe::require;

void check(CorpusSpec spec) {
  require(!spec.name.empty() && spec.name.find('/') == std::string::npos);
  require(!spec.languages.empty() && !spec.files.empty());
  const std::set<std::string> languages(spec.languages.begin(), spec.languages.end());
  require(!spec.task.empty() || languages.size() == spec.languages.size());
  require(spec.task.empty() || spec.languages.size() == 2);
  for (const std::string& language : languages) require(polymoe::normalize_language(language) == language);
  switch (spec.kind) {
    case CorpusKind::kTsv:
      require(std::count(spec.columns.begin(), spec.columns.end(), "") +
                  static_cast<std::ptrdiff_t>(spec.languages.size()) ==
              static_cast<std::ptrdiff_t>(spec.columns.size()));
      break;
    case CorpusKind::kJsonLines:
      require(spec.columns.size() == spec.languages.size());
      break;
    default:
      require(spec.files.size() == spec.languages.size());
  }
  if (polymoe::keep_languages(spec, {"en", "de"})) require(!spec.languages.empty());
}

void read(const CorpusSpec& spec) {
  polymoe::CorpusReader reader(spec, {.skip_bad = true});
  std::vector<std::string> segments;
  while (reader.next(segments)) require(segments.size() == spec.languages.size());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  namespace fs = std::filesystem;
  static const fs::path folder = [] {
    const fs::path& path = polymoe::scratch_folder();
    fs::create_directories(path / "c");
    polymoe::put_file(path / "f", "");
    for (const char* const name : {"g.tsv", "h.jsonl", "c/corpus.json", "c/train.en.gz", "c/train.de.gz"}) {
      fs::create_hard_link(path / "f", path / name);
    }
    fs::current_path(path);
    return path;
  }();
  const std::string_view input = polymoe::text_of(data, size);
  const std::size_t end = std::min(input.find('\n'), input.size());
  if (input.substr(0, end).find('/') != std::string_view::npos) return 0;  // may name any file of the machine
  polymoe::put_file(folder / "f", input.substr(std::min(end + 1, size)));
  std::vector<std::string> notations;
  for (std::size_t begin = 0; begin < end;) {
    const std::size_t space = std::min(input.find(' ', begin), end);
    notations.emplace_back(input.substr(begin, space - begin));
    begin = space + 1;
  }
  std::vector<CorpusSpec> specs;
  if (!polymoe::loads([&] { specs = polymoe::parse_corpora(notations); })) return 0;
  std::set<std::pair<std::string, std::string>> names;
  for (const CorpusSpec& spec : specs) {
    require(names.emplace(spec.split, spec.name).second);
    check(spec);
    polymoe::loads([&] { read(spec); });
  }
  return 0;
}
