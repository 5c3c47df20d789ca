#include "polymoe/evaluate/bootstrap.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

#include "polymoe/base/error.h"
#include "polymoe/evaluate/numpy_random.h"

namespace polymoe {
namespace {

double mean_of(const std::vector<double>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

double score_segments(const SegmentStatistics& statistics, const std::vector<std::uint32_t>& segments) {
  std::vector<double> sums(statistics.width);
  for (const std::uint32_t segment : segments) {
    for (std::size_t k = 0; k < sums.size(); ++k) sums[k] += statistics.values[segment * sums.size() + k];
  }
  return statistics.score(sums);
}

BootstrapScore summarize(double score, std::vector<double> resampled) {
  std::sort(resampled.begin(), resampled.end());
  const std::size_t cut = resampled.size() / 40;  // 2.5 % on each side
  return {score, mean_of(resampled), (resampled[resampled.size() - 1 - cut] - resampled[cut]) / 2};
}

}  // namespace

PairedBootstrap paired_bootstrap(const SegmentStatistics& baseline, const SegmentStatistics& system,
                                 std::size_t resamples, std::uint64_t seed) {
  if (baseline.values.size() != system.values.size()) fail("the systems have unequal numbers of segments");
  if (resamples == 0) fail("a bootstrap test needs at least one resample");
  const std::size_t count = system.values.size() / system.width;
  if (count > std::numeric_limits<std::uint32_t>::max()) fail("{} segments are too many to draw from", count);
  std::vector<std::uint32_t> segments(count);
  std::iota(segments.begin(), segments.end(), 0u);
  const double baseline_score = score_segments(baseline, segments), system_score = score_segments(system, segments);

  NumpyRandom random(seed);
  std::vector<double> baseline_scores, system_scores, differences;
  for (std::size_t i = 0; i < resamples; ++i) {
    for (std::uint32_t& segment : segments) segment = random.below(static_cast<std::uint32_t>(count));
    baseline_scores.push_back(score_segments(baseline, segments));
    system_scores.push_back(score_segments(system, segments));
    differences.push_back(std::abs(system_scores.back() - baseline_scores.back()));
  }
  const double mean = mean_of(differences), real = std::abs(system_score - baseline_score);
  const auto further = std::count_if(differences.begin(), differences.end(),
                                     [&](double difference) { return difference - mean > real; });
  return {summarize(baseline_score, std::move(baseline_scores)), summarize(system_score, std::move(system_scores)),
          static_cast<double>(further + 1) / static_cast<double>(resamples + 1)};
}

}  // namespace polymoe
