#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <fmt/core.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "polymoe/base/error.h"
#include "polymoe/cli/commands.h"
#include "polymoe/evaluate/rouge.h"
#include "polymoe/evaluate/segments.h"
#include "polymoe/evaluate/tokenize.h"
#include "polymoe/metrics.h"

namespace polymoe::cli {
namespace {

struct EvaluateOptions {
  std::string hypotheses;
  std::vector<std::string> references;
  std::string tokenizer = "13a";
  std::string rouge_tokens = "unicode";
  bool lowercase = false;
  std::vector<std::string> metrics = {"bleu", "chrf", "chrf++"};
  bool json = false;
  bool sentence = false;
};

struct Texts {
  std::vector<std::string> hypotheses;
  std::vector<std::vector<std::string>> references;
};

/// What one metric says of the corpus and, where asked for, of each segment.
struct Result {
  std::string metric;  ///< as --metrics has it
  std::string name;    ///< as papers have it
  double score = 0;
  std::string signature;
  BleuScore bleu;    ///< BLEU's details; empty for the others
  RougeValue rouge;  ///< ROUGE's details; 0 for the others
  std::vector<double> sentences;
};

Texts read_texts(const EvaluateOptions& options) {
  const auto from_stdin = std::count(options.references.begin(), options.references.end(), "-");
  if (from_stdin + (options.hypotheses == "-" ? 1 : 0) > 1) {
    fail("only one of the files can be '-' (standard input); give the others by name");
  }
  Texts texts;
  texts.hypotheses = read_segments(options.hypotheses);
  for (const std::string& path : options.references) {
    texts.references.push_back(read_segments(path));
    const std::size_t lines = texts.references.back().size();
    if (lines == texts.hypotheses.size()) continue;
    throw Error(
        fmt::format("{} lines, but the hypotheses ({}) have {}", lines, options.hypotheses, texts.hypotheses.size()),
        {path, 0}, "line i of each file must belong to the same source sentence");
  }
  return texts;
}

/// Calls score(hypothesis, references) for each segment.
template <typename Score>
std::vector<double> score_sentences(const Texts& texts, Score score) {
  std::vector<double> scores;
  std::vector<std::string> references(texts.references.size());
  for (std::size_t i = 0; i < texts.hypotheses.size(); ++i) {
    for (std::size_t r = 0; r < references.size(); ++r) references[r] = texts.references[r][i];
    scores.push_back(score(texts.hypotheses[i], references));
  }
  return scores;
}

Result score_bleu(const EvaluateOptions& options, const Texts& texts) {
  BleuOptions bleu_options{.tokenizer = parse_tokenizer(options.tokenizer), .lowercase = options.lowercase};
  Result result;
  result.metric = "bleu";
  result.name = "BLEU";
  result.bleu = corpus_bleu(texts.hypotheses, texts.references, bleu_options);
  result.score = result.bleu.score;
  result.signature = result.bleu.signature;
  if (options.sentence) {
    bleu_options.effective_order = true;
    result.sentences = score_sentences(texts, [&](const std::string& hypothesis, const auto& references) {
      return sentence_bleu(hypothesis, references, bleu_options).score;
    });
  }
  return result;
}

Result score_chrf(const EvaluateOptions& options, const Texts& texts, const std::string& metric) {
  const ChrfOptions chrf_options{.word_order = metric == "chrf++" ? 2u : 0u, .lowercase = options.lowercase};
  const ChrfScore chrf = corpus_chrf(texts.hypotheses, texts.references, chrf_options);
  Result result;
  result.metric = metric;
  result.name = chrf.name;
  result.score = chrf.score;
  result.signature = chrf.signature;
  if (options.sentence) {
    result.sentences = score_sentences(texts, [&](const std::string& hypothesis, const auto& references) {
      return sentence_chrf(hypothesis, references, chrf_options).score;
    });
  }
  return result;
}

struct RougeMeasure {
  const char* metric;
  const char* name;
  RougeValue RougeScore::*value;
};
constexpr RougeMeasure kRouge[] = {{"rouge1", "ROUGE-1", &RougeScore::rouge1},
                                   {"rouge2", "ROUGE-2", &RougeScore::rouge2},
                                   {"rougeL", "ROUGE-L", &RougeScore::rouge_l}};

/// One result for each of the three measures.
std::vector<Result> score_rouge(const EvaluateOptions& options, const Texts& texts) {
  const RougeTokens tokens = parse_rouge_tokens(options.rouge_tokens);
  const RougeScore corpus = corpus_rouge(texts.hypotheses, texts.references, tokens);
  std::vector<RougeScore> sentences;
  if (options.sentence) {
    std::vector<std::string> references(texts.references.size());
    for (std::size_t i = 0; i < texts.hypotheses.size(); ++i) {
      for (std::size_t r = 0; r < references.size(); ++r) references[r] = texts.references[r][i];
      sentences.push_back(sentence_rouge(texts.hypotheses[i], references, tokens));
    }
  }
  std::vector<Result> results;
  for (const RougeMeasure& measure : kRouge) {
    Result& result = results.emplace_back();
    result.metric = measure.metric;
    result.name = measure.name;
    result.rouge = corpus.*measure.value;
    result.score = result.rouge.f;
    result.signature =
        fmt::format("nrefs:{}|case:lc|tok:{}|stem:no|mean:f1", texts.references.size(), options.rouge_tokens);
    for (const RougeScore& sentence : sentences) result.sentences.push_back((sentence.*measure.value).f);
  }
  return results;
}

void print_json(const std::vector<Result>& results, const Texts& texts, bool sentence) {
  nlohmann::ordered_json output = {{"segments", texts.hypotheses.size()}, {"references", texts.references.size()}};
  for (const Result& result : results) {
    nlohmann::ordered_json& entry = output[result.metric];
    entry = {{"name", result.name}, {"score", result.score}, {"signature", result.signature}};
    if (result.metric.starts_with("rouge")) {
      entry["precision"] = result.rouge.precision;
      entry["recall"] = result.rouge.recall;
    }
    if (result.metric != "bleu") continue;
    entry["precisions"] = result.bleu.precisions;
    entry["counts"] = result.bleu.counts;
    entry["totals"] = result.bleu.totals;
    entry["brevity_penalty"] = result.bleu.brevity_penalty;
    entry["hypothesis_length"] = result.bleu.hypothesis_length;
    entry["reference_length"] = result.bleu.reference_length;
  }
  if (sentence) {
    auto rows = nlohmann::ordered_json::array();
    for (std::size_t i = 0; i < texts.hypotheses.size(); ++i) {
      nlohmann::ordered_json row;
      for (const Result& result : results) row[result.metric] = result.sentences[i];
      rows.push_back(std::move(row));
    }
    output["sentences"] = std::move(rows);
  }
  fmt::print("{}\n", output.dump(2));
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
    fmt::print("; BLEU: precisions {:.1f}, brevity penalty {:.3f}, {} tokens for {} in the reference",
               fmt::join(result.bleu.precisions, "/"), result.bleu.brevity_penalty, result.bleu.hypothesis_length,
               result.bleu.reference_length);
  }
  fmt::print("\n");
}

void run_evaluate(const EvaluateOptions& options) {
  const Texts texts = read_texts(options);
  std::vector<Result> results;
  std::vector<std::string> done;
  for (const std::string& metric : options.metrics) {
    if (std::find(done.begin(), done.end(), metric) != done.end()) continue;
    done.push_back(metric);
    if (metric == "rouge") {
      for (Result& result : score_rouge(options, texts)) results.push_back(std::move(result));
      continue;
    }
    results.push_back(metric == "bleu" ? score_bleu(options, texts) : score_chrf(options, texts, metric));
  }
  if (options.json) {
    print_json(results, texts, options.sentence);
  } else if (options.sentence) {
    print_sentences(results, texts.hypotheses.size());
  } else {
    print_table(results, texts.hypotheses.size());
  }
}

constexpr const char* kFooter =
    "BLEU and chrF are sacreBLEU's for the same settings, which the output names in its notation; ROUGE is that of\n"
    "the rouge-score package without stemming, times 100.\n\n"
    "Example: score the lines of translated.de against those of test.de\n"
    "  polymoe evaluate --hyp translated.de --ref test.de\n"
    "Chinese from a pipe against two references, as JSON\n"
    "  zcat translated.zh.gz | polymoe evaluate --hyp - --ref first.zh second.zh --tokenize zh --json\n"
    "Summaries\n"
    "  polymoe evaluate --hyp summaries.txt --ref reference.txt --metrics rouge,chrf\n"
    "The ten sentences that are furthest from the reference, by chrF\n"
    "  polymoe evaluate --hyp translated.de --ref test.de --metrics chrf --sentence |\n"
    "    sed '1d;$d' | sort -k 2n | head\n\n"
    "Use --tokenize zh for Chinese and char for Japanese, Thai, Khmer, Burmese and Lao, which write no\n"
    "spaces between words. docs/evaluation.md tells what the metrics are good for.";

}  // namespace

void add_evaluate(CLI::App& app) {
  CLI::App* command =
      app.add_subcommand("evaluate", "Score translations and summaries with BLEU, chrF, chrF++ and ROUGE");
  const auto options = std::make_shared<EvaluateOptions>();
  command->add_option("--hyp", options->hypotheses, "The translations, one a line, also gzipped; - is standard input")
      ->required()
      ->type_name("FILE");
  command->add_option("--ref", options->references, "Reference translations, line by line; give more for several")
      ->required()
      ->type_name("FILE");
  command->add_option("--metrics", options->metrics, "Which scores: bleu, chrf, chrf++, rouge (ROUGE-1, 2 and L)")
      ->delimiter(',')
      ->check(CLI::IsMember({"bleu", "chrf", "chrf++", "rouge"}))
      ->type_name("LIST")
      ->default_str("bleu,chrf,chrf++");
  command->add_option("--tokenize", options->tokenizer, "How BLEU cuts words: 13a, intl, zh, char or none")
      ->check(CLI::IsMember({"13a", "intl", "zh", "char", "none"}))
      ->type_name("WORD")
      ->capture_default_str();
  command
      ->add_option("--rouge-tokens", options->rouge_tokens,
                   "What ROUGE takes for words: unicode, or ascii, which sees a-z and 0-9 alone as the reference does")
      ->check(CLI::IsMember({"ascii", "unicode"}))
      ->type_name("WORD")
      ->capture_default_str();
  command->add_flag("--lowercase", options->lowercase, "Ignore case (ROUGE always does)");
  command->add_flag("--sentence", options->sentence, "A line of scores for each segment, the corpus in the last line");
  command->add_flag("--json", options->json, "JSON, with every digit and BLEU's counts");
  command->footer(kFooter);
  command->callback([options] { run_evaluate(*options); });
}

}  // namespace polymoe::cli
