#include <algorithm>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/core.h>
#include <nlohmann/json.hpp>

#include "polymoe/base/atomic_folder.h"
#include "polymoe/base/error.h"
#include "polymoe/base/files.h"
#include "polymoe/base/json_text.h"
#include "polymoe/base/path_kind.h"
#include "polymoe/checkpoint/model_checkpoint.h"
#include "polymoe/cli/commands.h"
#include "polymoe/cli/console.h"
#include "polymoe/cli/options.h"
#include "polymoe/cli/output_file.h"
#include "polymoe/data/prepare.h"
#include "polymoe/tensor/device.h"
#include "polymoe/text/corpus.h"
#include "polymoe/train/expert_usage.h"

namespace polymoe::cli {
namespace {

namespace fs = std::filesystem;

struct ExpertUsageArguments {
  std::string model;
  std::string vocabulary;
  std::string data;
  std::vector<std::string> corpora;
  UsageData usage;
  std::string precision = "float32";
  std::string device = "cpu";
  bool verify = true;
  std::string out;
};

// Encodes the corpora given by hand with the model's own vocabulary, into a folder that lives as long as `folder`.
fs::path prepare_corpora(const ExpertUsageArguments& arguments, const fs::path& vocabulary,
                         std::optional<AtomicFolder>& folder) {
  folder.emplace(fs::temp_directory_path() / "polymoe-usage");
  PrepareOptions options;
  options.vocabulary = vocabulary;
  options.corpora = parse_corpora(arguments.corpora);
  options.out = folder->temporary() / "data";
  prepare(options, console_progress());
  return options.out;
}

fs::path dataset_of(const ExpertUsageArguments& arguments, const RunOptions& run, const fs::path& checkpoint,
                    std::optional<AtomicFolder>& folder) {
  if (!arguments.corpora.empty()) {
    const fs::path vocabulary =
        arguments.vocabulary.empty() ? vocabulary_of(checkpoint) : fs::path(arguments.vocabulary);
    return prepare_corpora(arguments, vocabulary, folder);
  }
  if (!arguments.data.empty()) return arguments.data;
  if (path_exists(run.data.path)) return run.data.path;
  throw Error(fmt::format("the data that it was trained on, '{}', is not there", run.data.path), {checkpoint, 0},
              "name a dataset with --data, or text with --corpus");
}

// Of the training's own data what it was trained for, as far as there is held-out text of it; text given by hand is
// there to be measured.
std::vector<ValidationSet> sets_of(const ExpertUsageArguments& arguments, DataOptions options, const Dataset& dataset) {
  UsageData usage = arguments.usage;
  if (arguments.corpora.empty() && arguments.data.empty() && usage.directions.empty()) {
    const std::vector<Direction> held_out = dataset.directions(usage.split);
    for (const Direction& trained :
         match_directions(options.directions, dataset.directions("train"), dataset.languages())) {
      if (std::find(held_out.begin(), held_out.end(), trained) != held_out.end()) {
        usage.directions.push_back(trained.name());
      }
    }
    if (usage.directions.empty()) options.translation_weight = 0;
  }
  if (!arguments.corpora.empty()) {
    options.translation_weight = 1;
    options.task_weights.clear();
    options.task_schedule.clear();
  }
  return usage_sets(dataset, options, usage);
}

void measure(const ExpertUsageArguments& arguments) {
  const fs::path folder_of_result = fs::path(arguments.out).parent_path();
  if (!folder_of_result.empty() && !is_folder(folder_of_result)) {
    throw Error("no such folder for the result", {folder_of_result, 0}, "make it, or name another file with --out");
  }
  if (!arguments.out.empty()) {
    check_output_file(arguments.out, "a file of usage", [](std::string_view text) {
      return text.starts_with("{") && text.find("\"checkpoint\":") != std::string_view::npos;
    });
  }
  const fs::path path = resolve_checkpoint(arguments.model);
  const Checkpoint checkpoint = Checkpoint::open(path, arguments.verify ? Check::kValues : Check::kHeaders);
  const RunOptions run = options_of(checkpoint);
  if (run.model.moe.experts == 0) throw Error("a dense model: it has no experts", {path, 0}, "name a MoE model");
  std::optional<AtomicFolder> folder;
  const fs::path data = dataset_of(arguments, run, path, folder);
  check_vocabulary(checkpoint, data / "vocab.model");
  const Dataset dataset(data);
  const std::vector<ValidationSet> sets = sets_of(arguments, run.data, dataset);
  Model model = load_model(checkpoint, parse_precision(arguments.precision), open_device(arguments.device));

  UsageByLayer usage;
  std::uint64_t segments = 0;
  const ProgressSink progress = console_progress();
  Progress report{"usage", 0, sets.size(), "directions", "", false};
  for (const ValidationSet& set : sets) {
    record_usage(model, set, dataset.vocabulary(), usage);
    segments += set.references.size();
    report.finished = ++report.done == report.total;
    if (progress) progress(report);
  }
  nlohmann::json result = usage_json(usage);
  result["checkpoint"] = path.string();
  result["update"] = checkpoint.meta().value("update", std::int64_t{0});
  result["split"] = arguments.usage.split;
  result["segments"] = segments;
  const std::string text = dump_json(result, 1) + "\n";
  if (arguments.out.empty()) {
    fmt::print("{}", text);
  } else {
    write_file(arguments.out, text);
  }
}

}  // namespace

void add_usage(CLI::App& app) {
  CLI::App* command =
      app.add_subcommand("usage", "Measure which experts each direction, task and language uses, layer by layer");
  auto arguments = std::make_shared<ExpertUsageArguments>();
  command->add_option("MODEL", arguments->model, "run folder or checkpoint; a run folder means its best checkpoint")
      ->required()
      ->type_name("DIR");
  command->add_option("--data", arguments->data, "dataset made by `polymoe prepare` (default: the one of its training)")
      ->type_name("DIR");
  command
      ->add_option("--corpus", arguments->corpora,
                   "text to measure instead of a dataset, in the notation of `polymoe prepare --help`; more may follow")
      ->type_name("SPEC")
      ->excludes("--data");
  command
      ->add_option("--vocab", arguments->vocabulary, "vocabulary for --corpus, where none lies beside the checkpoint")
      ->type_name("FILE");
  command->add_option("--split", arguments->usage.split, "split to measure")->capture_default_str();
  command
      ->add_option("--directions", arguments->usage.directions,
                   "translation directions such as en-de, en-*, *-*; none: those of the training, or with --data and "
                   "--corpus all")
      ->delimiter(',')
      ->type_name("LIST");
  command->add_option("--examples", arguments->usage.max_examples, "segments of each direction and task; 0: all")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  command->add_option("--max-tokens", arguments->usage.max_tokens, "tokens of a batch, padding included")
      ->check(CLI::Range(std::int64_t{1}, std::int64_t{1} << 26))
      ->capture_default_str();
  add_precision(*command, arguments->precision);
  add_device(*command, arguments->device);
  add_no_verify(*command, arguments->verify);
  command->add_option("-o,--out", arguments->out, "write the JSON to a file instead of standard output")
      ->type_name("FILE");
  command->footer(
      "The result is JSON: for each layer each expert's share of the gate's choices, by direction, task and\n"
      "language, with counts, and how alike they use the experts. docs/evaluation.md has the keys. `polymoe report`\n"
      "shows it where it lies in the run's folder as usage.json.\n\n"
      "Examples:\n"
      "  polymoe usage run -o run/usage.json && polymoe report run\n"
      "  polymoe usage run --corpus valid:files:en=news.en,de=news.de --directions en-de");
  command->callback([arguments] { measure(*arguments); });
}

}  // namespace polymoe::cli
