#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "polymoe/evaluate/bootstrap.h"
#include "polymoe/metrics.h"

namespace polymoe::cli {

/// What `polymoe evaluate` is asked for.
struct EvaluateOptions {
  std::string hypotheses;
  std::vector<std::string> references;
  std::string baseline;
  std::string tokenizer = "13a";
  std::string pieces;  ///< a SentencePiece model; empty: `tokenizer`
  std::string rouge_tokens = "unicode";
  std::vector<std::string> ter;
  bool lowercase = false;
  std::vector<std::string> metrics = {"bleu", "chrf", "chrf++"};
  std::size_t resamples = 1000;
  std::uint64_t seed = 12345;
  bool json = false;
  bool sentence = false;
};

struct Texts {
  std::vector<std::string> hypotheses;
  std::vector<std::string> baseline;  ///< empty: none
  std::vector<std::vector<std::string>> references;
};

/// What one metric says of the corpus and, where asked for, of each segment.
struct Result {
  std::string metric;  ///< as --metrics has it
  std::string name;    ///< as papers have it
  double score = 0;
  std::string signature;
  BleuScore bleu;    ///< BLEU's details; empty for the others
  TerScore ter;      ///< TER's details
  RougeValue rouge;  ///< ROUGE's details; 0 for the others
  std::vector<double> sentences;
  std::optional<PairedBootstrap> test;  ///< against the baseline
};

/// Reads all files. Throws Error unless they have as many lines.
Texts read_texts(const EvaluateOptions& options);

/// The results of options.metrics, in their order.
std::vector<Result> score_texts(const EvaluateOptions& options, const Texts& texts);

}  // namespace polymoe::cli
