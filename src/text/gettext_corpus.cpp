#include "text/gettext_corpus.h"

#include <algorithm>
#include <array>
#include <mutex>
#include <unordered_map>
#include <utility>

#include <nlohmann/json.hpp>

#include "base/atomic_folder.h"
#include "base/error.h"
#include "base/files.h"
#include "base/log.h"
#include "base/parallel_for.h"
#include "base/random.h"
#include "text/corpus.h"
#include "text/corpus_writer.h"
#include "text/debian_packages.h"
#include "text/mo_catalog.h"

namespace polymoe {
namespace {

namespace fs = std::filesystem;

constexpr const char* kSource = "en";
constexpr std::size_t kTrain = 0, kValid = 1, kTest = 2;
constexpr std::array<const char*, 3> kSplits = {"train", "valid", "test"};

/// Numbers the English segments, in whatever order they come; thread-safe.
class EnglishTable {
 public:
  std::uint32_t row_of(const std::string& english) {
    const std::lock_guard lock(mutex_);
    const auto [entry, is_new] = rows_.try_emplace(english, static_cast<std::uint32_t>(texts_.size()));
    if (is_new) texts_.push_back(&entry->first);
    return entry->second;
  }

  std::size_t size() const { return texts_.size(); }
  const std::string& text(std::uint32_t row) const { return *texts_[row]; }

 private:
  std::mutex mutex_;
  std::unordered_map<std::string, std::uint32_t> rows_;
  std::vector<const std::string*> texts_;  // keys of rows_, which do not move
};

/// The translations into one language, packed: there are millions over all languages.
class Translations {
 public:
  /// False if the row has a translation already.
  bool add(std::uint32_t row, std::string_view text) {
    if (row >= taken_.size()) taken_.resize(row + row / 2 + 1);
    if (taken_[row]) return false;
    taken_[row] = true;
    cells_.push_back({row, static_cast<std::uint32_t>(text.size()), texts_.size()});
    texts_ += text;
    return true;
  }

  std::size_t size() const { return cells_.size(); }

  /// Index i holds what belongs to row i; an empty view for none.
  std::vector<std::string_view> by_row(std::size_t rows) const {
    std::vector<std::string_view> views(rows);
    for (const Cell& cell : cells_) views[cell.row] = std::string_view(texts_).substr(cell.begin, cell.size);
    return views;
  }

 private:
  struct Cell {
    std::uint32_t row;
    std::uint32_t size;
    std::size_t begin;
  };
  std::vector<Cell> cells_;
  std::string texts_;
  std::vector<bool> taken_;
};

using FilesByLanguage = std::map<std::string, std::vector<fs::path>>;

/// The catalogues of each language, in the order of package and path.
FilesByLanguage find_catalogs(const std::vector<CatalogPackage>& packages) {
  FilesByLanguage files;
  for (const CatalogPackage& package : packages) {
    std::vector<fs::path> paths;
    for (const fs::directory_entry& entry : fs::recursive_directory_iterator(package.folder)) {
      if (entry.is_regular_file() && entry.path().extension() == ".mo") paths.push_back(entry.path());
    }
    std::sort(paths.begin(), paths.end());
    for (const fs::path& path : paths) {
      const std::string language = language_of_locale(path.parent_path().parent_path().filename().string());
      if (!language.empty()) files[language].push_back(path);
    }
  }
  return files;
}

/// Keeps the languages asked for. Throws Error for one that is not there.
void keep_wanted(FilesByLanguage& files, const std::vector<std::string>& wanted) {
  if (wanted.empty()) return;
  FilesByLanguage kept;
  for (const std::string& code : wanted) {
    const std::string language = normalize_language(code);
    if (language == kSource) continue;
    const auto found = files.find(language);
    if (found == files.end()) {
      std::string known;
      for (const auto& [name, paths] : files) known += (known.empty() ? "" : " ") + name;
      throw Error(fmt::format("no package holds a catalogue for the language '{}'", code), {}, "there are: " + known);
    }
    kept.insert(*found);
  }
  files = std::move(kept);
}

Translations read_language(const std::vector<fs::path>& files, std::size_t max_chars, EnglishTable& english,
                           PairCounts& counts) {
  Translations translations;
  for (const fs::path& path : files) {
    try {
      const MappedFile file(path);
      for (const SegmentPair& pair : pairs_of(parse_mo_catalog(file.bytes(), path), max_chars, counts)) {
        if (!translations.add(english.row_of(pair.english), pair.translation)) ++counts.repeated;
      }
    } catch (const Error& error) {
      log_warning("{}; going on without this catalogue", error.what());
    }
  }
  return translations;
}

/// The rows of each split. Sorted by hash: the order is the same whatever was read first, and any first part of a file
/// is a fair sample of the whole.
std::array<std::vector<std::uint32_t>, 3> split_rows(const EnglishTable& english, const GettextOptions& options) {
  std::vector<std::pair<std::uint64_t, std::uint32_t>> order;
  for (std::uint32_t row = 0; row < english.size(); ++row) order.emplace_back(mix_bits(fnv1a(english.text(row))), row);
  std::sort(order.begin(), order.end(), [&](const auto& a, const auto& b) {
    return a.first != b.first ? a.first < b.first : english.text(a.second) < english.text(b.second);
  });
  std::array<std::vector<std::uint32_t>, 3> splits;
  for (const auto& [hash, row] : order) {
    const auto draw = static_cast<std::int64_t>(fnv1a(split_key(english.text(row))) % 1000);
    const bool test = draw < options.test_per_mille;
    const bool valid = !test && draw < options.test_per_mille + options.valid_per_mille;
    splits[test ? kTest : valid ? kValid : kTrain].push_back(row);
  }
  return splits;
}

void check_options(const GettextOptions& options) {
  if (options.valid_per_mille < 0 || options.test_per_mille < 0 ||
      options.valid_per_mille + options.test_per_mille > 500) {
    fail("--valid {} and --test {} are no shares of the data in per mille; together they may take up to 500",
         options.valid_per_mille, options.test_per_mille);
  }
  if (options.max_chars < 1) fail("--max-chars {} leaves no text", options.max_chars);
  std::error_code error;
  const bool there = fs::exists(options.output, error);
  if (there && !fs::exists(options.output / "corpus.json") && !fs::is_empty(options.output, error)) {
    throw Error("exists and is not a corpus folder", {options.output, 0}, "choose another --out or remove it");
  }
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
  write_file(folder / "corpus.json", json.dump(2) + "\n");
}

}  // namespace

const std::vector<std::string>& default_catalog_packages() {
  static const std::vector<std::string> packages = {"aptitude-common",
                                                    "audacity-data",
                                                    "bash",
                                                    "binutils-common",
                                                    "cinnamon-l10n",
                                                    "coreutils",
                                                    "dpkg",
                                                    "evolution-common",
                                                    "gcc-12-locales",
                                                    "gimp-data",
                                                    "git",
                                                    "gnome-control-center-data",
                                                    "gnucash-common",
                                                    "gnumeric-common",
                                                    "gnupg-l10n",
                                                    "iso-codes",
                                                    "k3b-i18n",
                                                    "krita-l10n",
                                                    "libc-l10n",
                                                    "libgtk-3-common",
                                                    "libvirt-l10n",
                                                    "mutt",
                                                    "pidgin-data",
                                                    "util-linux-locales",
                                                    "vim-runtime",
                                                    "vlc-l10n"};
  return packages;
}

std::string language_of_locale(std::string_view locale) {
  // Locales whose country is the language's main one; that of "de_DE" is told by its letters.
  static const std::map<std::string_view, std::string_view> kSynonyms = {
      {"am_ET", "am"}, {"be_BY", "be"}, {"bn_BD", "bn"}, {"cs_CZ", "cs"},      {"da_DK", "da"},     {"el_GR", "el"},
      {"et_EE", "et"}, {"eu_ES", "eu"}, {"fa_IR", "fa"}, {"gl_ES", "gl"},      {"he_IL", "he"},     {"hi_IN", "hi"},
      {"ja_JP", "ja"}, {"ka_GE", "ka"}, {"km_KH", "km"}, {"ko_KR", "ko"},      {"ms_MY", "ms"},     {"my_MM", "my"},
      {"nb_NO", "nb"}, {"nn_NO", "nn"}, {"no", "nb"},    {"or_IN", "or"},      {"sl_SI", "sl"},     {"sr_RS", "sr"},
      {"sv_SE", "sv"}, {"uk_UA", "uk"}, {"vi_VN", "vi"}, {"zh_Hans", "zh_CN"}, {"zh_Hant", "zh_TW"}};
  std::string code(locale.substr(0, locale.find('.')));
  if (code == "en" || code.starts_with("en_") || code.starts_with("en@")) return "";
  if (const auto found = kSynonyms.find(code); found != kSynonyms.end()) return std::string(found->second);
  const bool same_letters =
      code.size() == 5 && code[2] == '_' && (code[3] | 0x20) == code[0] && (code[4] | 0x20) == code[1];
  if (same_letters) code.resize(2);
  try {
    return normalize_language(code);
  } catch (const Error&) {
    return "";  // a folder that is named after no language
  }
}

GettextSummary make_gettext_corpus(const GettextOptions& options, const ProgressSink& progress) {
  check_options(options);
  const std::vector<CatalogPackage> packages = fetch_catalog_packages(
      options.packages.empty() ? default_catalog_packages() : options.packages, options.cache, progress);
  GettextSummary summary;
  for (const CatalogPackage& package : packages) summary.packages[package.name] = package.version;

  FilesByLanguage files = find_catalogs(packages);
  keep_wanted(files, options.languages);
  if (files.empty()) throw Error("the packages hold no message catalogues", {}, "choose other --packages");

  std::mutex mutex;
  const std::vector<std::pair<std::string, std::vector<fs::path>>> work(files.begin(), files.end());
  std::vector<Translations> translations(work.size());
  EnglishTable english;
  std::size_t done = 0;
  parallel_for(work.size(), 0, [&](std::size_t i) {
    PairCounts counts;
    translations[i] = read_language(work[i].second, static_cast<std::size_t>(options.max_chars), english, counts);
    const std::lock_guard lock(mutex);
    summary.counts += counts;
    ++done;
    if (progress) progress({"read", done, work.size(), "languages", work[i].first, done == work.size()});
  });

  const std::array<std::vector<std::uint32_t>, 3> splits = split_rows(english, options);
  for (std::size_t s = 0; s < splits.size(); ++s) {
    if (splits[s].empty()) continue;
    summary.splits.push_back(kSplits[s]);
    summary.lines.push_back(splits[s].size());
  }
  AtomicFolder folder(options.output);
  /// Writes the files of one language; text_of(row) is empty where a row has none.
  const auto write_language = [&](const std::string& language, const auto& text_of) {
    std::vector<std::uint64_t> counts;
    for (std::size_t s = 0; s < splits.size(); ++s) {
      if (splits[s].empty()) continue;
      GzipLineWriter file(folder.temporary() / corpus_file_name(kSplits[s], language));
      std::uint64_t count = 0;
      for (const std::uint32_t row : splits[s]) {
        const std::string_view text = text_of(row);
        file.write(text);
        count += text.empty() ? 0 : 1;
      }
      file.commit();
      counts.push_back(count);
    }
    return counts;
  };
  done = 0;
  parallel_for(work.size() + 1, 0, [&](std::size_t i) {
    if (i == work.size()) {
      write_language(kSource, [&](std::uint32_t row) -> std::string_view { return english.text(row); });
      return;
    }
    const std::vector<std::string_view> by_row = translations[i].by_row(english.size());
    const std::vector<std::uint64_t> counts =
        write_language(work[i].first, [&](std::uint32_t row) { return by_row[row]; });
    const std::lock_guard lock(mutex);
    summary.segments[work[i].first] = counts;
    ++done;
    if (progress) progress({"write", done, work.size(), "languages", work[i].first, done == work.size()});
  });
  write_description(folder.temporary(), summary, options);
  folder.commit();
  return summary;
}

}  // namespace polymoe
