#pragma once

#include <cstddef>
#include <cstdint>

#include "polymoe/evaluate/statistics.h"

namespace polymoe {

/// One system's score, and those of the resamples.
struct BootstrapScore {
  double score = 0;     ///< of the segments themselves
  double mean = 0;      ///< of the resamples
  double interval = 0;  ///< half the width of the interval that holds 95 % of them
};

struct PairedBootstrap {
  BootstrapScore baseline, system;
  /// How likely a difference as large is if the systems are equally good.
  double p_value = 1;
};

/// Paired bootstrap resampling (Koehn, "Statistical significance tests for machine translation evaluation", EMNLP
/// 2004): both systems are scored on `resamples` sets of as many segments, drawn with replacement. The p-value is the
/// share of sets whose difference of scores exceeds the mean difference by more than the real one. All as sacreBLEU has
/// it, which draws the same segments for the same seed. Throws Error for systems with unequal numbers of segments, and
/// for no resamples.
PairedBootstrap paired_bootstrap(const SegmentStatistics& baseline, const SegmentStatistics& system,
                                 std::size_t resamples, std::uint64_t seed);

}  // namespace polymoe
