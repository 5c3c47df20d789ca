#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <fmt/core.h>

#include "polymoe/cli/commands.h"
#include "polymoe/cli/console.h"
#include "polymoe/data/prepare.h"
#include "polymoe/text/corpus.h"

namespace polymoe::cli {
namespace {

struct PrepareArguments {
  std::vector<std::string> corpora;
  std::string vocabulary;
  std::string out;
  PrepareOptions options;
};

void print_table(const std::vector<PreparedSplit>& splits) {
  std::map<std::pair<std::string, std::string>, PreparedSplit::Language> rows;  // by split and language
  for (const PreparedSplit& split : splits) {
    for (const PreparedSplit::Language& language : split.languages) {
      const std::string column = split.task.empty() ? language.name : split.task + ":" + language.name;
      PreparedSplit::Language& row = rows[{split.split, column}];
      row.segments += language.segments;
      row.tokens += language.tokens;
      row.too_long += language.too_long;
      row.unknown += language.unknown;
      row.unwritable += language.unwritable;
    }
  }
  fmt::print("{:<10} {:<16} {:>12} {:>14} {:>10} {:>8} {:>10}\n", "split", "language", "segments", "tokens", "too long",
             "<unk>", "changed");
  for (const auto& [key, row] : rows) {
    const double unknown = static_cast<double>(row.unknown) / std::max(1.0, static_cast<double>(row.tokens));
    fmt::print("{:<10} {:<16} {:>12} {:>14} {:>10} {:>7.2f}% {:>10}\n", key.first, key.second, row.segments, row.tokens,
               row.too_long, 100 * unknown, row.unwritable);
  }
}

void run_prepare(PrepareArguments& arguments) {
  PrepareOptions& options = arguments.options;
  options.vocabulary = arguments.vocabulary;
  options.out = arguments.out;
  options.corpora = parse_corpora(arguments.corpora);
  print_table(prepare(options, console_progress()));
}

}  // namespace

void add_prepare(CLI::App& app) {
  CLI::App* command =
      app.add_subcommand("prepare", "Encode corpora into a binary dataset that training maps into memory");
  auto arguments = std::make_shared<PrepareArguments>();
  command->add_option("--vocab", arguments->vocabulary, "vocabulary made by `polymoe vocab`")
      ->required()
      ->type_name("FILE");
  command->add_option("--corpus", arguments->corpora, "corpus to read, in the notation below; more may follow")
      ->required()
      ->type_name("SPEC");
  command->add_option("--out", arguments->out, "dataset folder to make; an older dataset there is replaced")
      ->required()
      ->type_name("DIR");
  command->add_option("--threads", arguments->options.threads, "threads that encode; 0: one for each core")
      ->check(CLI::Range(0, 4096))
      ->capture_default_str();
  command->add_option("--max-length", arguments->options.max_length, "longer segments are left out, in tokens; 0: none")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  command->add_flag("--skip-bad", arguments->options.checks.skip_bad,
                    "pass over bad lines instead of stopping at the first");
  command->footer(
      std::string(kCorpusNotation) +
      "\nThe table on standard output: <unk> is the share of tokens that the vocabulary does not know, changed\n"
      "the number of characters that its normalisation changes or removes, so that no model can write them.\n"
      "With --strict nothing is written where anything is left out, skipped or lost.");
  command->callback([arguments] { run_prepare(*arguments); });
}

}  // namespace polymoe::cli
