#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "evaluate/tokenize.h"

namespace polymoe {

/// What stands in for an n-gram precision of zero (Chen and Cherry, "A systematic comparison of smoothing techniques
/// for sentence-level BLEU", WMT 2014).
enum class BleuSmoothing {
  kExponential,  ///< 1/2, 1/4, 1/8... of one match for each order in turn that has none (NIST's)
  kFloor,        ///< `smoothing_value` matches, 0.1 unless given
  kAddK,         ///< `smoothing_value` added to matches and n-grams of the orders over 1, 1 unless given
  kNone,
};

struct BleuOptions {
  Tokenizer tokenizer = Tokenizer::k13a;
  bool lowercase = false;
  BleuSmoothing smoothing = BleuSmoothing::kExponential;
  std::optional<double> smoothing_value = std::nullopt;  ///< for kFloor and kAddK
  std::size_t max_order = 4;
  bool effective_order = false;  ///< average only over the orders that the hypotheses have; wanted for one sentence
};

struct BleuScore {
  double score = 0;                   ///< 0 to 100
  std::vector<std::uint64_t> counts;  ///< n-grams of the hypotheses that match, by order (before smoothing)
  std::vector<std::uint64_t> totals;  ///< n-grams of the hypotheses, by order
  std::vector<double> precisions;     ///< 0 to 100, smoothed, by order; all 0 where nothing matches
  double brevity_penalty = 1;         ///< exp(1 - reference_length / hypothesis_length), at most 1
  std::uint64_t hypothesis_length = 0;
  std::uint64_t reference_length = 0;  ///< each segment's reference of the closest length, the shorter of two
  std::string signature;               ///< the options in sacreBLEU's notation: "nrefs:1|case:mixed|eff:no|tok:13a|..."
};

/// BLEU of a corpus (Papineni et al., "BLEU: a method for automatic evaluation of machine translation", ACL 2002),
/// with sacreBLEU's arithmetic. `reference_streams[r][i]` is the r-th reference of hypothesis i; text is UTF-8.
/// Throws Error for streams of unequal length, no segments, or options out of range.
BleuScore corpus_bleu(std::span<const std::string> hypotheses,
                      std::span<const std::vector<std::string>> reference_streams, const BleuOptions& options = {});

/// BLEU of one segment against its references. sacreBLEU's sentence BLEU has `effective_order` set.
BleuScore sentence_bleu(std::string_view hypothesis, std::span<const std::string> references,
                        const BleuOptions& options);

}  // namespace polymoe
