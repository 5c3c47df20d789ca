#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <fmt/core.h>

#include "polymoe/base/error.h"
#include "polymoe/base/files.h"
#include "polymoe/base/log.h"
#include "polymoe/cli/commands.h"
#include "polymoe/cli/console.h"
#include "polymoe/formats/document.h"
#include "polymoe/formats/pairs.h"
#include "polymoe/text/gettext/catalog_pairs.h"
#include "polymoe/text/gettext/gettext_corpus.h"
#include "polymoe/text/language_names.h"

namespace polymoe::cli {
namespace {

std::filesystem::path default_cache() {
  const char* const cache = std::getenv("XDG_CACHE_HOME");
  if (cache != nullptr && *cache != '\0') return std::filesystem::path(cache) / "polymoe" / "gettext";
  const char* const home = std::getenv("HOME");
  if (home != nullptr && *home != '\0') return std::filesystem::path(home) / ".cache" / "polymoe" / "gettext";
  return "polymoe-cache";
}

/// " 3 no letters, ... 2 repeated": the pairs that were left out.
std::string left_out(const PairCounts& counts) {
  std::string text;
  for (std::size_t i = 1; i < kNumPairFaults; ++i) {
    text += fmt::format(" {} {},", counts.by_fault[i], name_of(static_cast<PairFault>(i)));
  }
  return text + fmt::format(" {} unaligned, {} without translation, {} over the cap of a list, {} repeated",
                            counts.unaligned, counts.untranslated, counts.over_list_cap, counts.repeated);
}

void print_summary(const GettextSummary& summary) {
  std::string text = fmt::format("{:<16}", "language");
  for (const std::string& split : summary.splits) text += fmt::format("{:>10}", split);
  text += fmt::format("\n{:<16}", "en (lines)");
  for (const std::uint64_t lines : summary.lines) text += fmt::format("{:>10}", lines);
  for (const auto& [language, counts] : summary.segments) {
    text += fmt::format("\n{:<16}", language);
    for (const std::uint64_t count : counts) text += fmt::format("{:>10}", count);
  }
  const PairCounts& counts = summary.counts;
  text += fmt::format(
      "\n\n{} messages read from {} packages; left out:{}, {} undecodable, {} with unknown directives; {} catalogues "
      "of English, of no language or damaged\n",
      counts.messages, summary.packages.size(), left_out(counts), counts.undecodable, counts.unknown_directives,
      summary.skipped_catalogs);
  std::fputs(text.c_str(), stderr);
}

void run_gettext(GettextOptions options) {
  if (options.languages.size() == 1 && options.languages[0] == "all") options.languages.clear();
  print_summary(make_gettext_corpus(options, console_progress()));
  log_info("the corpus is in {}", options.output.string());
}

struct ExtractOptions {
  std::vector<std::string> files;
  std::string source, target;
  bool unreviewed = false;
  std::size_t max_chars = 400;
};

void run_extract(const ExtractOptions& options) {
  const std::string source = read_language(options.source), target = read_language(options.target);
  PairCounts counts;
  std::set<std::pair<std::string, std::string>> seen;
  fmt::print("{}\t{}\n", source, target);
  for (const std::string& file : options.files) {
    const DocumentFormat format = parse_document_format("auto", file);
    const MoCatalog catalog = read_translations(format, read_file(file), {file, source, target}, options.unreviewed);
    for (const SegmentPair& pair : pairs_of(catalog, options.max_chars, counts)) {
      if (seen.emplace(pair.english, pair.translation).second) {
        fmt::print("{}\t{}\n", pair.english, pair.translation);
      } else {
        ++counts.repeated;
      }
    }
  }
  log_info("{} messages read from {} files, {} pairs; left out:{}", counts.messages, options.files.size(), seen.size(),
           left_out(counts));
}

constexpr const char* kExtractFooter =
    "Pairs come on standard output as a table whose first line names the languages, which is a corpus:\n"
    "  polymoe corpus extract memory.tmx de.po -s en -t de > pairs.tsv\n"
    "  polymoe prepare --corpus train:tsv:pairs.tsv --vocab vocab.model --out data\n\n"
    "Messages are split and cleaned as those of 'corpus gettext'; what is left out is counted on standard error.";

void add_extract(CLI::App& corpus) {
  CLI::App* extract =
      corpus.add_subcommand("extract", "Take the pairs of texts out of .po, TMX and XLIFF files, to train or evaluate");
  const auto options = std::make_shared<ExtractOptions>();
  extract->add_option("FILES", options->files, "files to read, told by their extensions")->required();
  extract->add_option("--source-language,-s", options->source, "language of the sources, e.g. en")->required();
  extract->add_option("--target-language,-t", options->target, "language of the translations, e.g. de")->required();
  extract->add_flag("--unreviewed", options->unreviewed,
                    "also what waits for review: fuzzy entries, XLIFF's states that say so");
  extract->add_option("--max-chars", options->max_chars, "leave out segments of more characters")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  extract->footer(kExtractFooter);
  extract->callback([options] { run_extract(*options); });
}

constexpr const char* kCorpusFooter =
    "Example: text in five languages, from the default packages (about 100 MB to download, the first time only)\n"
    "  polymoe corpus gettext --languages de,fr,ja,uk,hi --out corpus\n"
    "  polymoe vocab --corpus corpus --out vocab.model --size 8000\n\n"
    "Nothing is installed, and root is not needed. Any Debian package with translated messages can be\n"
    "named: --packages coreutils,nano,mutt. docs/corpora.md tells what is done with the messages.";

}  // namespace

void add_corpus(CLI::App& app) {
  CLI::App* corpus = app.add_subcommand("corpus", "Get real parallel text");
  corpus->require_subcommand(1);
  CLI::App* gettext = corpus->add_subcommand(
      "gettext", "Make a corpus of over a hundred languages from the message catalogues of Debian packages");
  const auto options = std::make_shared<GettextOptions>();
  options->cache = default_cache();
  gettext->add_option("--out", options->output, "corpus folder to make; an older corpus there is replaced")
      ->required()
      ->type_name("DIR");
  gettext->add_option("--languages", options->languages, "languages besides English, e.g. de,fr,zh_CN, or all")
      ->delimiter(',')
      ->type_name("LIST")
      ->default_str("all");
  gettext->add_option("--packages", options->packages, "Debian packages to take messages from")
      ->delimiter(',')
      ->type_name("LIST")
      ->default_str(fmt::format("{} packages", default_catalog_packages().size()));
  gettext->add_option("--cache", options->cache, "keeps the packages' messages for the next time")
      ->capture_default_str()
      ->type_name("DIR");
  gettext->add_option("--valid", options->valid_per_mille, "validation segments in each 1000")
      ->check(CLI::Range(0, 500))
      ->capture_default_str();
  gettext->add_option("--test", options->test_per_mille, "held-out test segments in each 1000")
      ->check(CLI::Range(0, 500))
      ->capture_default_str();
  gettext->add_option("--max-chars", options->max_chars, "leave out segments of more characters")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  gettext->footer(kCorpusFooter);
  gettext->callback([options] { run_gettext(*options); });
  add_extract(*corpus);
}

}  // namespace polymoe::cli
