#include <cstddef>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <fmt/core.h>
#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "polymoe/base/error.h"
#include "polymoe/base/files.h"
#include "polymoe/base/json_text.h"
#include "polymoe/base/quote.h"
#include "polymoe/checkpoint/model_checkpoint.h"
#include "polymoe/checkpoint/vocabulary_file.h"
#include "polymoe/cli/commands.h"
#include "polymoe/cli/console.h"
#include "polymoe/decode/translator.h"
#include "polymoe/evaluate/segments.h"
#include "polymoe/metrics.h"
#include "polymoe/surgery/quantize.h"

namespace polymoe::cli {
namespace {

const std::map<std::string, StoredWeights> kFormats{
    {"int8", StoredWeights::kInt8}, {"int4", StoredWeights::kInt4}, {"bfloat16", StoredWeights::kBFloat16}};

struct QuantizeArguments {
  QuantizeOptions options;
  std::string to = "int8";
  std::string compare;
  std::string references;
  std::string source;
  std::string target;
  bool json = false;
};

std::vector<std::string> read_lines(const std::string& path) {
  std::vector<std::string> lines = read_segments(path);
  if (lines.empty()) throw Error("holds no lines", {path, 0}, "give it a sentence a line");
  return lines;
}

std::vector<std::string> translate(const std::filesystem::path& model, const std::vector<std::string>& lines,
                                   const QuantizeArguments& arguments) {
  Translator translator = Translator::load(model, {}, DecodeOptions{}, "auto", "cpu");
  std::vector<std::string> texts;
  for (const auto& translations : translator.translate(lines, arguments.source, arguments.target, console_progress())) {
    texts.push_back(translations.front().text);
  }
  return texts;
}

// Text that both models are compared on.
struct TestSet {
  std::vector<std::string> lines;
  std::vector<std::vector<std::string>> references;  // one of all lines, or none

  explicit TestSet(const QuantizeArguments& arguments) : lines(read_lines(arguments.compare)) {
    if (arguments.references.empty()) return;
    references.push_back(read_lines(arguments.references));
    if (references.front().size() == lines.size()) return;
    throw Error(fmt::format("holds {} lines, {} holds {}", references.front().size(), arguments.compare, lines.size()),
                {arguments.references, 0}, "give it the translation of each line");
  }
};

// Both models' translations, against each other and against references.
nlohmann::json comparison(const TestSet& test, const QuantizeArguments& arguments) {
  const std::vector<std::string>& lines = test.lines;
  const std::vector<std::string> before = translate(arguments.options.checkpoint, lines, arguments),
                                 after = translate(arguments.options.output, lines, arguments);
  const std::vector<std::vector<std::string>> unrounded{before};
  std::size_t same = 0;
  for (std::size_t i = 0; i < lines.size(); ++i) same += before[i] == after[i] ? 1 : 0;
  const BleuOptions bleu{.tokenizer = default_tokenizer(arguments.target)};
  nlohmann::json result{
      {"lines", lines.size()}, {"same_lines", same}, {"chrf_of_each_other", corpus_chrf(after, unrounded).score}};
  if (test.references.empty()) return result;
  result["bleu"] = {{"before", corpus_bleu(before, test.references, bleu).score},
                    {"after", corpus_bleu(after, test.references, bleu).score}};
  result["chrf"] = {{"before", corpus_chrf(before, test.references).score},
                    {"after", corpus_chrf(after, test.references).score}};
  return result;
}

void print_report(const nlohmann::json& report) {
  fmt::print("{:<34} {}\n", "checkpoint", one_line(report.at("checkpoint").get<std::string>()));
  fmt::print("\n{:<34} {:>15} {:>15}\n", "", "before", "after");
  const auto row = [](const char* name, const nlohmann::json& values, const char* format) {
    fmt::print("{:<34} {:>15} {:>15}\n", name, fmt::format(fmt::runtime(format), values.at("before").get<double>()),
               fmt::format(fmt::runtime(format), values.at("after").get<double>()));
  };
  row("bytes of weights", report.at("bytes"), "{:.0f}");
  if (!report.contains("comparison")) return;
  const nlohmann::json& comparison = report.at("comparison");
  if (comparison.contains("bleu")) row("BLEU", comparison.at("bleu"), "{:.2f}");
  if (comparison.contains("chrf")) row("chrF", comparison.at("chrf"), "{:.2f}");
  fmt::print("\n{} of {} lines are translated to the same text; chrF of one text against the other is {:.2f}.\n",
             comparison.at("same_lines").get<std::size_t>(), comparison.at("lines").get<std::size_t>(),
             comparison.at("chrf_of_each_other").get<double>());
}

void run_quantize(QuantizeArguments arguments) {
  if (arguments.compare.empty() && !arguments.references.empty()) fail("--references goes with --compare");
  if (arguments.compare.empty() && !(arguments.source.empty() && arguments.target.empty())) {
    fail("--source-language and --target-language go with --compare");
  }
  if (!arguments.compare.empty() && (arguments.source.empty() || arguments.target.empty())) {
    fail("--compare needs --source-language and --target-language");
  }
  const std::optional<TestSet> test = arguments.compare.empty() ? std::nullopt : std::optional<TestSet>(arguments);
  if (test) {
    const Vocabulary vocabulary = Vocabulary::load(vocabulary_of(resolve_checkpoint(arguments.options.checkpoint)));
    for (const std::string& language : {arguments.source, arguments.target}) vocabulary.language_index(language);
  }
  arguments.options.to = kFormats.at(arguments.to);
  const QuantizeReport sizes = quantize_checkpoint(arguments.options, console_progress());
  nlohmann::json report{{"checkpoint", arguments.options.output.string()},
                        {"bytes", {{"before", sizes.before}, {"after", sizes.after}}}};
  if (test) report["comparison"] = comparison(*test, arguments);
  if (arguments.json) {
    fmt::print("{}\n", dump_json(report, 1));
  } else {
    print_report(report);
  }
}

constexpr const char* kQuantizeFooter =
    "int8 keeps a quarter of the bytes: whole numbers and a scale for each output of a matrix. Such a checkpoint is\n"
    "for `translate`, `score` and `serve` on a CPU, where it is the fastest; nothing else reads it. int4 does that\n"
    "too and halves the experts, which a model must have, once more: 4 bits, and a scale for each 32 inputs. bfloat16\n"
    "keeps half of the bytes, for whatever float32 is for. Norms, biases and gates stay as they are; optimiser state\n"
    "is left out. `translate --precision int8` or `int4` does the same while it loads, and writes nothing.\n\n"
    "With --compare, lines are translated by both models, to see what it costs.\n\n"
    "Examples:\n"
    "  polymoe quantize run --out small\n"
    "  polymoe quantize run --to int4 --out smallest\n"
    "  polymoe quantize run --out small --compare test.en --references test.de -s en -t de\n"
    "  polymoe translate --model small -s en -t de < test.en";

}  // namespace

void add_quantize(CLI::App& app) {
  CLI::App* command = app.add_subcommand("quantize", "Make a model smaller and faster by coarser weights");
  const auto arguments = std::make_shared<QuantizeArguments>();
  command
      ->add_option("PATH", arguments->options.checkpoint,
                   "a checkpoint, or a run folder, which stands for its best one")
      ->required()
      ->type_name("DIR");
  command->add_option("--to", arguments->to, "what the weights become")
      ->check(CLI::IsMember({"int8", "int4", "bfloat16"}))
      ->capture_default_str();
  command->add_option("--out,-o", arguments->options.output, "folder for the new checkpoint")
      ->required()
      ->type_name("DIR");
  command->add_option("--compare", arguments->compare, "lines to translate with both models")->type_name("FILE");
  command->add_option("--references", arguments->references, "their translations, for BLEU and chrF")
      ->type_name("FILE");
  command->add_option("--source-language,-s", arguments->source, "language of the lines, e.g. en");
  command->add_option("--target-language,-t", arguments->target, "language to translate into, e.g. de");
  command->add_flag("--json", arguments->json, "print the report as JSON");
  command->footer(kQuantizeFooter);
  command->callback([arguments] { run_quantize(*arguments); });
}

}  // namespace polymoe::cli
