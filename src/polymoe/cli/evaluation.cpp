#include "polymoe/cli/evaluation.h"

#include <algorithm>
#include <utility>

#include <fmt/core.h>

#include "polymoe/base/error.h"
#include "polymoe/evaluate/pieces.h"
#include "polymoe/evaluate/rouge.h"
#include "polymoe/evaluate/segments.h"
#include "polymoe/evaluate/statistics.h"
#include "polymoe/evaluate/tokenize.h"

namespace polymoe::cli {
namespace {

/// The lines of a file that has as many as the hypotheses.
std::vector<std::string> read_beside(const std::string& path, const EvaluateOptions& options, std::size_t lines) {
  std::vector<std::string> segments = read_segments(path);
  if (segments.size() == lines) return segments;
  throw Error(fmt::format("{} lines, but the hypotheses ({}) have {}", segments.size(), options.hypotheses, lines),
              {path, 0}, "line i of each file must belong to the same source sentence");
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

/// The test against the baseline, where there is one. `count(hypotheses, references)` has a metric's statistics.
template <typename Count>
std::optional<PairedBootstrap> compare(const EvaluateOptions& options, const Texts& texts, Count count) {
  if (options.baseline.empty()) return std::nullopt;
  return paired_bootstrap(count(texts.baseline, texts.references), count(texts.hypotheses, texts.references),
                          options.resamples, options.seed);
}

Result score_bleu(const EvaluateOptions& options, const Texts& texts) {
  BleuOptions bleu_options{.tokenizer = parse_tokenizer(options.tokenizer), .lowercase = options.lowercase};
  if (!options.pieces.empty()) bleu_options.custom_tokenizer = piece_tokenizer(options.pieces);
  Result result;
  result.metric = "bleu";
  result.name = options.pieces.empty() ? "BLEU" : "spBLEU";
  result.bleu = corpus_bleu(texts.hypotheses, texts.references, bleu_options);
  result.score = result.bleu.score;
  result.signature = result.bleu.signature;
  result.test = compare(options, texts, [&](const auto& hypotheses, const auto& references) {
    return bleu_statistics(hypotheses, references, bleu_options);
  });
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
  result.test = compare(options, texts, [&](const auto& hypotheses, const auto& references) {
    return chrf_statistics(hypotheses, references, chrf_options);
  });
  if (options.sentence) {
    result.sentences = score_sentences(texts, [&](const std::string& hypothesis, const auto& references) {
      return sentence_chrf(hypothesis, references, chrf_options).score;
    });
  }
  return result;
}

Result score_ter(const EvaluateOptions& options, const Texts& texts) {
  const auto is_set = [&options](const char* word) {
    return std::find(options.ter.begin(), options.ter.end(), word) != options.ter.end();
  };
  const TerOptions ter_options{.case_sensitive = is_set("case"),
                               .normalized = is_set("normalized"),
                               .no_punctuation = is_set("no-punct"),
                               .asian_support = is_set("asian")};
  Result result;
  result.metric = "ter";
  result.name = "TER";
  result.ter = corpus_ter(texts.hypotheses, texts.references, ter_options);
  result.score = result.ter.score;
  result.signature = result.ter.signature;
  result.test = compare(options, texts, [&](const auto& hypotheses, const auto& references) {
    return ter_statistics(hypotheses, references, ter_options);
  });
  if (options.sentence) {
    result.sentences = score_sentences(texts, [&](const std::string& hypothesis, const auto& references) {
      return sentence_ter(hypothesis, references, ter_options).score;
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
  std::vector<Result> results;
  for (const RougeMeasure& measure : kRouge) {
    Result& result = results.emplace_back();
    result.metric = measure.metric;
    result.name = measure.name;
    result.rouge = corpus.*measure.value;
    result.score = result.rouge.f;
    result.signature =
        fmt::format("nrefs:{}|case:lc|tok:{}|stem:no|mean:f1", texts.references.size(), options.rouge_tokens);
    result.test = compare(options, texts, [&](const auto& hypotheses, const auto& references) {
      return rouge_statistics(hypotheses, references, tokens, measure.value);
    });
    if (!options.sentence) continue;
    result.sentences = score_sentences(texts, [&](const std::string& hypothesis, const auto& references) {
      return (sentence_rouge(hypothesis, references, tokens).*measure.value).f;
    });
  }
  return results;
}

}  // namespace

Texts read_texts(const EvaluateOptions& options) {
  std::vector<std::string> files = {options.hypotheses, options.baseline};
  files.insert(files.end(), options.references.begin(), options.references.end());
  if (std::count(files.begin(), files.end(), "-") > 1) {
    fail("only one of the files can be '-' (standard input); give the others by name");
  }
  Texts texts;
  texts.hypotheses = read_segments(options.hypotheses);
  const std::size_t lines = texts.hypotheses.size();
  for (const std::string& path : options.references) texts.references.push_back(read_beside(path, options, lines));
  if (!options.baseline.empty()) texts.baseline = read_beside(options.baseline, options, lines);
  return texts;
}

std::vector<Result> score_texts(const EvaluateOptions& options, const Texts& texts) {
  std::vector<Result> results;
  std::vector<std::string> done;
  for (const std::string& metric : options.metrics) {
    if (std::find(done.begin(), done.end(), metric) != done.end()) continue;
    done.push_back(metric);
    if (metric == "rouge") {
      for (Result& result : score_rouge(options, texts)) results.push_back(std::move(result));
    } else if (metric == "ter") {
      results.push_back(score_ter(options, texts));
    } else {
      results.push_back(metric == "bleu" ? score_bleu(options, texts) : score_chrf(options, texts, metric));
    }
  }
  return results;
}

}  // namespace polymoe::cli
