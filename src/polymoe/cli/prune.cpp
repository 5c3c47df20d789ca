#include <filesystem>
#include <memory>
#include <string>

#include <fmt/core.h>
#include <fmt/ranges.h>
#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "polymoe/base/error.h"
#include "polymoe/base/json_text.h"
#include "polymoe/base/quote.h"
#include "polymoe/cli/commands.h"
#include "polymoe/cli/console.h"
#include "polymoe/surgery/prune.h"

namespace polymoe::cli {
namespace {

struct PruneArguments {
  PruneOptions options;
  std::string metric{word_of(ExpertMetric::kUse)};
  std::string heading{word_of(UsageHeading::kDirection)};
  std::string spread{word_of(BudgetSpread::kHighest)};
  bool random = false;
  bool json = false;
};

void print_json(const PruneReport& report, const std::string& output) {
  nlohmann::json layers = nlohmann::json::object();
  for (std::size_t i = 0; i < report.layers.size(); ++i) {
    layers[report.layers[i].name] = {{"experts", report.layers[i].experts}, {"kept", report.kept[i]}};
  }
  const nlohmann::json all{
      {"checkpoint", output},
      {"layers", layers},
      {"parameters", {{"before", report.before.parameters}, {"after", report.after.parameters}}},
      {"bytes", {{"before", report.before.bytes}, {"after", report.after.bytes}}},
      {"predicted_speed", {{"one_sentence", report.speed_one}, {"many_sentences", report.speed_many}}}};
  fmt::print("{}\n", dump_json(all, 1));
}

void print_report(const PruneReport& report, const std::string& output) {
  fmt::print("{:<34} {}\n", "checkpoint", one_line(output));
  for (std::size_t i = 0; i < report.layers.size(); ++i) {
    fmt::print("{:<34} {} of {}: {}\n", report.layers[i].name, report.kept[i].size(), report.layers[i].experts,
               fmt::join(report.kept[i], " "));
  }
  fmt::print("\n{:<34} {:>15} {:>15}\n", "", "before", "after");
  fmt::print("{:<34} {:>15} {:>15}\n", "parameters", report.before.parameters, report.after.parameters);
  fmt::print("{:<34} {:>15} {:>15}\n", "bytes", report.before.bytes, report.after.bytes);
  fmt::print("{:<34} {:>15} {:>15.2f}\n", "predicted speed, one sentence", "1.00", report.speed_one);
  fmt::print("{:<34} {:>15} {:>15.2f}\n", "predicted speed, 64 at a time", "1.00", report.speed_many);
}

void run_prune(PruneArguments arguments) {
  PruneOptions& options = arguments.options;
  const int ways = (options.usage.empty() ? 0 : 1) + (arguments.random ? 1 : 0) + (options.lists.empty() ? 0 : 1);
  if (ways != 1) fail("say by what experts are chosen: one of --usage, --random and --experts");
  options.by = arguments.random ? PruneBy::kRandom : options.lists.empty() ? PruneBy::kUse : PruneBy::kLists;
  const bool counted = !options.keep.empty() || !options.keep_total.empty();
  if (options.by == PruneBy::kLists && counted) fail("--experts names those that stay; leave --keep out");
  if (options.by != PruneBy::kLists && options.keep.empty() == options.keep_total.empty()) {
    fail("say how many experts stay: one of --keep and --keep-total");
  }
  if (options.by != PruneBy::kUse && !options.directions.empty()) fail("--for goes with --usage");
  options.metric = from_word<ExpertMetric>(arguments.metric);
  options.heading = from_word<UsageHeading>(arguments.heading);
  options.spread = from_word<BudgetSpread>(arguments.spread);
  const PruneReport report = prune(options, console_progress());
  if (arguments.json) {
    print_json(report, options.output.string());
  } else {
    print_report(report, options.output.string());
  }
}

constexpr const char* kPruneFooter =
    "Makes a smaller model of some experts of another, numbered anew, and prints its size and a predicted decoding\n"
    "speed (docs/surgery.md). The model should be tuned afterwards for a while. The checkpoint's meta data keep\n"
    "which experts stayed: polymoe checkpoint inspect OUT --json | jq .origin.experts\n\n"
    "Example: the four most used experts of each layer, by the last validation of the training; then tuned\n"
    "  polymoe prune run --usage run --keep 4 --out pruned\n"
    "  polymoe train --init pruned --data.path data --out tuned --max-updates 500\n"
    "A model for German and French into English by what `polymoe usage` wrote: 24 experts in all layers together\n"
    "  polymoe prune run --usage usage.json --for de-en,fr-en --keep-total 24 --out de-fr-en\n"
    "Language-specific pruning after Koishekenov et al. 2023: by importance, and more in the encoder\n"
    "  polymoe prune nllb --usage usage.json --metric importance --by language --for fra_Latn-eng_Latn \\\n"
    "    --keep 36,12 --out fra-eng\n"
    "Four at random, and those that one names\n"
    "  polymoe prune run --random --seed 3 --keep 4 --out random\n"
    "  polymoe prune run --experts encoder.layers.1:0,3 --experts decoder.layers.1:1,2,5 --out chosen";

}  // namespace

void add_prune(CLI::App& app) {
  CLI::App* command = app.add_subcommand("prune", "Keep some of the experts of a model");
  const auto arguments = std::make_shared<PruneArguments>();
  PruneOptions& options = arguments->options;
  command->add_option("PATH", options.checkpoint, "a checkpoint, or a run folder, which stands for its best one")
      ->required()
      ->type_name("DIR");
  command
      ->add_option("--usage", options.usage,
                   "by use: what `polymoe usage` wrote, or the folder of a training, whose last validation counts")
      ->type_name("PATH");
  command
      ->add_option("--for", options.directions,
                   "use in these directions alone: en-de, en-*, de for all from or into German, or a task as command:*")
      ->delimiter(',')
      ->option_text("LIST");
  command
      ->add_option("--metric", arguments->metric,
                   "of use: share of all choices, share of first choices (activity), or that times exp(the gate's mean "
                   "probability for them) (importance)")
      ->check(CLI::IsMember(words_of<ExpertMetric>()))
      ->capture_default_str();
  command
      ->add_option("--by", arguments->heading,
                   "statistics by direction, or by language: the source's in the encoder, the target's in the decoder")
      ->check(CLI::IsMember(words_of<UsageHeading>()))
      ->capture_default_str();
  command->add_flag("--random", arguments->random, "by chance");
  command->add_option("--seed", options.seed, "seed of chance")
      ->check(CLI::NonNegativeNumber)
      ->type_name("N")
      ->capture_default_str();
  command
      ->add_option("--experts", options.lists,
                   "these experts of a layer, as encoder.layers.1:0,3; layers not named keep theirs")
      ->expected(1, CLI::detail::expected_max_vector_size)
      ->allow_extra_args(false)
      ->option_text("LAYER:LIST");
  command
      ->add_option(
          "--keep", options.keep,
          "experts that stay in each MoE layer; in the encoder's and the decoder's, as 36,12; or a number for each")
      ->delimiter(',')
      ->check(CLI::Range(std::int64_t{1}, std::int64_t{65536}))
      ->option_text("N");
  command
      ->add_option("--keep-total", options.keep_total,
                   "experts that stay in all layers together; or in the encoder's and in the decoder's, as 216,72")
      ->delimiter(',')
      ->expected(1, 2)
      ->check(CLI::Range(std::int64_t{1}, std::int64_t{1} << 30))
      ->option_text("N");
  command
      ->add_option(
          "--spread", arguments->spread,
          "what --keep-total is shared out by: the highest of all layers, or even: each layer keeps as large a "
          "part of its use")
      ->check(CLI::IsMember(words_of<BudgetSpread>()))
      ->capture_default_str();
  command->add_option("--out,-o", options.output, "folder for the new checkpoint")->required()->type_name("DIR");
  command->add_flag("--json", arguments->json, "print the report as JSON");
  command->footer(kPruneFooter);
  command->callback([arguments] { run_prune(*arguments); });
}

}  // namespace polymoe::cli
