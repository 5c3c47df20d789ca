#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <fmt/core.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "polymoe/base/json_text.h"
#include "polymoe/cli/commands.h"
#include "polymoe/cli/evaluation.h"

namespace polymoe::cli {
namespace {

nlohmann::ordered_json describe(const Result& result) {
  nlohmann::ordered_json entry = {{"name", result.name}, {"score", result.score}, {"signature", result.signature}};
  if (result.test) {
    const BootstrapScore& baseline = result.test->baseline;
    entry["mean"] = result.test->system.mean;
    entry["interval"] = result.test->system.interval;
    entry["p_value"] = result.test->p_value;
    entry["baseline"] = {{"score", baseline.score}, {"mean", baseline.mean}, {"interval", baseline.interval}};
  }
  if (result.metric.starts_with("rouge")) {
    entry["precision"] = result.rouge.precision;
    entry["recall"] = result.rouge.recall;
  } else if (result.metric == "ter") {
    entry["edits"] = result.ter.edits;
    entry["reference_length"] = result.ter.reference_length;
  } else if (result.metric == "bleu") {
    entry["precisions"] = result.bleu.precisions;
    entry["counts"] = result.bleu.counts;
    entry["totals"] = result.bleu.totals;
    entry["brevity_penalty"] = result.bleu.brevity_penalty;
    entry["hypothesis_length"] = result.bleu.hypothesis_length;
    entry["reference_length"] = result.bleu.reference_length;
  }
  return entry;
}

void print_json(const EvaluateOptions& options, const std::vector<Result>& results, const Texts& texts) {
  nlohmann::ordered_json output = {{"segments", texts.hypotheses.size()}, {"references", texts.references.size()}};
  if (!options.baseline.empty()) {
    output["resamples"] = options.resamples;
    output["seed"] = options.seed;
  }
  for (const Result& result : results) output[result.metric] = describe(result);
  if (options.sentence) {
    auto rows = nlohmann::ordered_json::array();
    for (std::size_t i = 0; i < texts.hypotheses.size(); ++i) {
      nlohmann::ordered_json row;
      for (const Result& result : results) row[result.metric] = result.sentences[i];
      rows.push_back(std::move(row));
    }
    output["sentences"] = std::move(rows);
  }
  fmt::print("{}\n", dump_json(output, 2));
}

/// One line for each segment and a last one for the corpus, with tabs between, as cut and sort like it.
void print_sentences(const std::vector<Result>& results, std::size_t segments) {
  fmt::print("line");
  for (const Result& result : results) fmt::print("\t{}", result.name);
  for (std::size_t i = 0; i < segments; ++i) {
    fmt::print("\n{}", i + 1);
    for (const Result& result : results) fmt::print("\t{:.2f}", result.sentences[i]);
  }
  fmt::print("\nall");
  for (const Result& result : results) fmt::print("\t{:.2f}", result.score);
  fmt::print("\n");
}

void print_table(const std::vector<Result>& results, std::size_t segments) {
  fmt::print("{:<8} {:>6}  {}\n", "metric", "score", "settings");
  for (const Result& result : results) {
    fmt::print("{:<8} {:>6.2f}  {}\n", result.name, result.score, result.signature);
  }
  fmt::print("\n{} segment{}", segments, segments == 1 ? "" : "s");
  for (const Result& result : results) {
    if (result.metric != "bleu") continue;
    fmt::print("; {}: precisions {:.1f}, brevity penalty {:.3f}, {} tokens for {} in the reference", result.name,
               fmt::join(result.bleu.precisions, "/"), result.bleu.brevity_penalty, result.bleu.hypothesis_length,
               result.bleu.reference_length);
  }
  fmt::print("\n");
}

void print_comparison(const EvaluateOptions& options, const std::vector<Result>& results, std::size_t segments) {
  const auto cell = [](const BootstrapScore& score) {
    return fmt::format("{:.2f} ({:.2f} ± {:.2f})", score.score, score.mean, score.interval);
  };
  fmt::print("{:<8} {:>23} {:>23}  {:>7}  {}\n", "metric", "baseline", "hypotheses", "p-value", "settings");
  for (const Result& result : results) {
    fmt::print("{:<8} {:>23} {:>23}  {:>7.4f}  {}\n", result.name, cell(result.test->baseline),
               cell(result.test->system), result.test->p_value, result.signature);
  }
  fmt::print(
      "\n{} segments, {} resamples of them with seed {}: their mean and 95 % interval in parentheses.\n"
      "The p-value is how likely a difference as large is between systems that are equally good.\n",
      segments, options.resamples, options.seed);
}

void run_evaluate(const EvaluateOptions& options) {
  const Texts texts = read_texts(options);
  const std::vector<Result> results = score_texts(options, texts);
  if (options.json) {
    print_json(options, results, texts);
  } else if (options.sentence) {
    print_sentences(results, texts.hypotheses.size());
  } else if (!options.baseline.empty()) {
    print_comparison(options, results, texts.hypotheses.size());
  } else {
    print_table(results, texts.hypotheses.size());
  }
}

constexpr const char* kEvaluateFooter =
    "BLEU, chrF and TER are sacreBLEU's for the same settings, which the output names in its notation; ROUGE is\n"
    "that of the rouge-score package without stemming, times 100.\n\n"
    "Example: score the lines of translated.de against those of test.de\n"
    "  polymoe evaluate --hyp translated.de --ref test.de\n"
    "Chinese from a pipe against two references, as JSON\n"
    "  zcat translated.zh.gz | polymoe evaluate --hyp - --ref first.zh second.zh --tokenize zh --json\n"
    "Summaries\n"
    "  polymoe evaluate --hyp summaries.txt --ref reference.txt --metrics rouge,chrf\n"
    "The ten sentences that are furthest from the reference, by chrF\n"
    "  polymoe evaluate --hyp translated.de --ref test.de --metrics chrf --sentence |\n"
    "    sed '1d;$d' | sort -k 2n | head\n\n"
    "Whether a model is better than another: paired bootstrap tests\n"
    "  polymoe evaluate --hyp new.de --baseline old.de --ref test.de\n"
    "spBLEU, as it is customary on FLORES-200, with its SentencePiece model\n"
    "  polymoe evaluate --hyp translated.de --ref test.de --spm flores200.model\n\n"
    "Use --tokenize zh for Chinese and char for Japanese, Thai, Khmer, Burmese and Lao, which write no\n"
    "spaces between words. docs/evaluation.md tells what the metrics are good for.";

}  // namespace

void add_evaluate(CLI::App& app) {
  CLI::App* command = app.add_subcommand("evaluate", "Score translations and summaries with BLEU, chrF, TER and ROUGE");
  const auto options = std::make_shared<EvaluateOptions>();
  command->add_option("--hyp", options->hypotheses, "The translations, one a line, also gzipped; - is standard input")
      ->required()
      ->type_name("FILE");
  command->add_option("--ref", options->references, "Reference translations, line by line; give more for several")
      ->required()
      ->type_name("FILE");
  CLI::Option* baseline =
      command->add_option("--baseline", options->baseline, "Translations to compare with, by paired bootstrap tests")
          ->type_name("FILE");
  command->add_option("--metrics", options->metrics, "Which scores: bleu, chrf, chrf++, ter, rouge (ROUGE-1, 2 and L)")
      ->delimiter(',')
      ->check(CLI::IsMember({"bleu", "chrf", "chrf++", "ter", "rouge"}))
      ->type_name("LIST")
      ->default_str("bleu,chrf,chrf++");
  command->add_option("--tokenize", options->tokenizer, "How BLEU cuts words: 13a, intl, zh, char or none")
      ->check(CLI::IsMember({"13a", "intl", "zh", "char", "none"}))
      ->type_name("WORD")
      ->capture_default_str();
  command->add_option("--spm", options->pieces, "BLEU of the pieces of this SentencePiece model: spBLEU")
      ->excludes("--tokenize")
      ->type_name("FILE");
  command
      ->add_option(
          "--ter-options", options->ter,
          "What TER does to words: case (minds it), normalized (punctuation apart), no-punct (removes it), asian "
          "(both in Chinese and Japanese too)")
      ->delimiter(',')
      ->check(CLI::IsMember({"case", "normalized", "no-punct", "asian"}))
      ->type_name("LIST");
  command
      ->add_option("--rouge-tokens", options->rouge_tokens,
                   "What ROUGE takes for words: unicode, or ascii, which sees a-z and 0-9 alone as the reference does")
      ->check(CLI::IsMember({"ascii", "unicode"}))
      ->type_name("WORD")
      ->capture_default_str();
  command->add_flag("--lowercase", options->lowercase, "Ignore case (ROUGE always does, TER by default)");
  command->add_option("--resamples", options->resamples, "Resamples of the segments that --baseline is tested on")
      ->check(CLI::Range(1, 1'000'000))
      ->needs(baseline)
      ->type_name("N")
      ->capture_default_str();
  command->add_option("--seed", options->seed, "Decides which segments are drawn")
      ->needs(baseline)
      ->type_name("N")
      ->capture_default_str();
  command->add_flag("--sentence", options->sentence, "A line of scores for each segment, the corpus in the last line")
      ->excludes(baseline);
  command->add_flag("--json", options->json, "JSON, with every digit and BLEU's counts");
  command->footer(kEvaluateFooter);
  command->callback([options] { run_evaluate(*options); });
}

}  // namespace polymoe::cli
