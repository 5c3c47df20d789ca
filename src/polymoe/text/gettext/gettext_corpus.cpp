#include "polymoe/text/gettext/gettext_corpus.h"

#include <algorithm>
#include <array>
#include <functional>
#include <mutex>
#include <set>
#include <utility>

#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "polymoe/base/atomic_folder.h"
#include "polymoe/base/error.h"
#include "polymoe/base/files.h"
#include "polymoe/base/gzip_writer.h"
#include "polymoe/base/json_text.h"
#include "polymoe/base/log.h"
#include "polymoe/base/parallel_for.h"
#include "polymoe/base/path_kind.h"
#include "polymoe/base/quote.h"
#include "polymoe/base/remarks.h"
#include "polymoe/text/corpus.h"
#include "polymoe/text/gettext/debian_packages.h"
#include "polymoe/text/gettext/mo_catalog.h"
#include "polymoe/text/segment_table.h"

namespace polymoe {
namespace {

namespace fs = std::filesystem;

constexpr const char* kSource = "en";

struct Language {
  std::string code;
  std::vector<fs::path> catalogs;
  Translations translations;
};

void check_options(const GettextOptions& options) {
  if (options.valid_per_mille < 0 || options.test_per_mille < 0 ||
      options.valid_per_mille + options.test_per_mille > 500) {
    fail("--valid {} and --test {} are no shares of the data in per mille; together they may take up to 500",
         options.valid_per_mille, options.test_per_mille);
  }
  if (options.max_chars < 1) fail("--max-chars {} leaves no text", options.max_chars);
  std::error_code error;
  const bool there = fs::exists(options.output, error);
  if (there && !path_exists(options.output / "corpus.json") && !fs::is_empty(options.output, error)) {
    throw Error("exists and is not a corpus folder", {options.output, 0}, "choose another --out or remove it");
  }
  if (path_exists(options.output / "corpus.json")) remark("an older corpus, which is replaced", {options.output, 0});
}

/// The catalogues of each language, in the order of package and path.
std::map<std::string, std::vector<fs::path>> find_catalogs(const std::vector<CatalogPackage>& packages,
                                                           std::uint64_t& skipped) {
  std::set<std::string> renamed;
  std::map<std::string, std::vector<fs::path>> catalogs;
  for (const CatalogPackage& package : packages) {
    std::vector<fs::path> paths;
    for (const fs::directory_entry& entry : fs::recursive_directory_iterator(package.folder)) {
      if (entry.is_regular_file() && entry.path().extension() == ".mo") paths.push_back(entry.path());
    }
    std::sort(paths.begin(), paths.end());
    for (const fs::path& path : paths) {
      const std::string locale = path.parent_path().parent_path().filename().string();
      const std::string language = language_of_locale(locale);
      if (language.empty()) {
        ++skipped;
        continue;
      }
      if (language != locale) renamed.insert(fmt::format("{} is {}", one_line(locale), language));
      catalogs[language].push_back(path);
    }
  }
  if (!renamed.empty()) log_info("languages under other names: {}", fmt::join(renamed, ", "));
  if (catalogs.empty()) throw Error("the packages hold no message catalogues", {}, "choose other --packages");
  return catalogs;
}

/// The languages asked for, sorted by code. Throws Error for one that is not there.
std::vector<Language> choose_languages(const std::map<std::string, std::vector<fs::path>>& catalogs,
                                       const std::vector<std::string>& wanted) {
  std::map<std::string, std::vector<fs::path>> chosen;
  std::vector<std::string> known = {kSource};
  for (const auto& [name, paths] : catalogs) known.push_back(name);
  for (const std::string& code : wanted) {
    const std::string language = known_language(code, known);
    if (language.empty()) {
      normalize_language(code);  // throws for what is no code
      throw Error("no package holds a catalogue for the language " + in_quotes(code), {},
                  fmt::format("there are: {}", fmt::join(known.begin() + 1, known.end(), " ")));
    }
    if (language != kSource) chosen.insert(*catalogs.find(language));
  }
  std::vector<Language> languages;
  for (const auto& [code, paths] : wanted.empty() ? catalogs : chosen) languages.push_back({code, paths, {}});
  return languages;
}

PairCounts read_catalogs(Language& language, std::size_t max_chars, EnglishTable& english,
                         std::vector<std::string>& damaged) {
  PairCounts counts;
  for (const fs::path& path : language.catalogs) {
    try {
      const MappedFile file(path);
      for (const SegmentPair& pair : pairs_of(parse_mo_catalog(file.bytes(), path), max_chars, counts)) {
        if (!language.translations.add(english.row_of(pair.english), pair.translation)) ++counts.repeated;
      }
    } catch (const Error& error) {
      damaged.push_back(error.what());
    }
  }
  return counts;
}

using Splits = std::array<std::vector<std::uint32_t>, kSplitNames.size()>;

/// Writes the files of one language; gives the number of segments in each split that has rows.
std::vector<std::uint64_t> write_language(const fs::path& folder, const std::string& code, const Splits& splits,
                                          const std::function<std::string_view(std::uint32_t)>& text_of_row) {
  std::vector<std::uint64_t> counts;
  for (std::size_t s = 0; s < splits.size(); ++s) {
    if (splits[s].empty()) continue;
    std::string lines;
    std::uint64_t count = 0;
    for (const std::uint32_t row : splits[s]) {
      const std::string_view text = text_of_row(row);
      lines += text;
      lines += '\n';
      count += text.empty() ? 0 : 1;
    }
    GzipWriter file(folder / corpus_file_name(kSplitNames[s], code));
    file.write(lines);
    file.commit();
    counts.push_back(count);
  }
  return counts;
}

void write_description(const fs::path& folder, const GettextSummary& summary, const GettextOptions& options) {
  nlohmann::ordered_json json;
  json["name"] = "gettext";
  json["languages"] = {kSource};
  for (const auto& [language, counts] : summary.segments) json["languages"].push_back(language);
  for (std::size_t i = 0; i < summary.splits.size(); ++i) json["splits"][summary.splits[i]] = summary.lines[i];
  for (const auto& [language, counts] : summary.segments) {
    for (std::size_t i = 0; i < counts.size(); ++i) json["segments"][language][summary.splits[i]] = counts[i];
  }
  json["packages"] = summary.packages;
  json["max_chars"] = options.max_chars;
  write_file(folder / "corpus.json", dump_json(json, 2) + "\n");
}

/// Does work(language) for all languages on all cores, and collect(language, its result) for one at a time.
template <typename Work, typename Collect>
void for_each_language(const char* stage, std::vector<Language>& languages, const ProgressSink& progress, Work work,
                       Collect collect) {
  std::mutex mutex;
  std::size_t done = 0;
  parallel_for(languages.size(), 0, [&](std::size_t i) {
    const auto result = work(languages[i]);
    const std::lock_guard lock(mutex);
    collect(languages[i], result);
    ++done;
    if (progress) progress({stage, done, languages.size(), "languages", languages[i].code, done == languages.size()});
  });
}

}  // namespace

GettextSummary make_gettext_corpus(const GettextOptions& options, const ProgressSink& progress) {
  check_options(options);
  const std::vector<CatalogPackage> packages = fetch_catalog_packages(
      options.packages.empty() ? default_catalog_packages() : options.packages, options.cache, progress);
  GettextSummary summary;
  for (const CatalogPackage& package : packages) summary.packages[package.name] = package.version;

  std::vector<Language> languages =
      choose_languages(find_catalogs(packages, summary.skipped_catalogs), options.languages);
  EnglishTable english;
  const auto max_chars = static_cast<std::size_t>(options.max_chars);
  struct Read {
    PairCounts counts;
    std::vector<std::string> damaged;
  };
  std::vector<std::string> damaged;
  for_each_language(
      "read", languages, progress,
      [&](Language& language) {
        Read read;
        read.counts = read_catalogs(language, max_chars, english, read.damaged);
        return read;
      },
      [&](const Language&, const Read& read) {
        summary.counts += read.counts;
        damaged.insert(damaged.end(), read.damaged.begin(), read.damaged.end());
      });
  summary.skipped_catalogs += damaged.size();
  std::sort(damaged.begin(), damaged.end());
  RemarkTally tally("damaged catalogues");
  for (const std::string& what : damaged) tally.add(what + "; going on without this catalogue");
  tally.finish();
  std::erase_if(languages, [](const Language& language) { return language.translations.size() == 0; });
  if (languages.empty()) throw Error("the packages hold no usable message in these languages", {}, "choose others");

  const Splits splits = split_rows(english, options.valid_per_mille, options.test_per_mille);
  for (std::size_t s = 0; s < splits.size(); ++s) {
    if (splits[s].empty()) continue;
    summary.splits.push_back(kSplitNames[s]);
    summary.lines.push_back(splits[s].size());
  }
  AtomicFolder folder(options.output);
  write_language(folder.temporary(), kSource, splits,
                 [&](std::uint32_t row) -> std::string_view { return english.text(row); });
  for_each_language(
      "write", languages, progress,
      [&](Language& language) {
        const std::vector<std::string_view> texts = language.translations.by_row(english.size());
        return write_language(folder.temporary(), language.code, splits, [&](std::uint32_t row) { return texts[row]; });
      },
      [&](const Language& language, const auto& counts) { summary.segments[language.code] = counts; });
  write_description(folder.temporary(), summary, options);
  folder.commit();
  return summary;
}

}  // namespace polymoe
