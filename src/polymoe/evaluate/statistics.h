#pragma once

#include <cstddef>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "polymoe/metrics.h"

namespace polymoe {

/// What a metric counts in each segment. The score of any set of segments is a function of the sums of their numbers.
struct SegmentStatistics {
  std::size_t width = 0;       ///< numbers of a segment
  std::vector<double> values;  ///< [segments, width]
  std::function<double(std::span<const double> sums)> score;
};

/// Those of the metrics. Arguments and errors are those of corpus_bleu() and the like; `measure` is the one of the
/// three of which F is averaged.
SegmentStatistics bleu_statistics(std::span<const std::string> hypotheses,
                                  std::span<const std::vector<std::string>> reference_streams,
                                  const BleuOptions& options);
SegmentStatistics chrf_statistics(std::span<const std::string> hypotheses,
                                  std::span<const std::vector<std::string>> reference_streams,
                                  const ChrfOptions& options);
SegmentStatistics ter_statistics(std::span<const std::string> hypotheses,
                                 std::span<const std::vector<std::string>> reference_streams,
                                 const TerOptions& options);
SegmentStatistics rouge_statistics(std::span<const std::string> hypotheses,
                                   std::span<const std::vector<std::string>> reference_streams, RougeTokens tokens,
                                   RougeValue RougeScore::*measure);

}  // namespace polymoe
