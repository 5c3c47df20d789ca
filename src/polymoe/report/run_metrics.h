#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "polymoe/evaluate/expert_usage.h"
#include "polymoe/metrics/records.h"

namespace polymoe {

/// One run. Records of a kind stand in the order of their updates; where a run went back to an earlier update, what it
/// made anew replaces what it had made before.
struct RunMetrics {
  std::string name;  ///< of the run's folder
  double start_time = kMissing;
  RunRecord about;  ///< the last of its run records: a run may have begun several times
  std::vector<TrainRecord> train;
  std::vector<ValidRecord> valid;
  std::vector<ExpertsRecord> experts;
  std::vector<SamplesRecord> samples;
  /// What usage.json in the run's folder says, where `polymoe usage` wrote one.
  SharesByLayer direction_usage;
  SharesByLayer task_usage;
  SharesByLayer language_usage;

  /// The validation to quote: the last one marked as best, else the one with the highest chrF; null without any.
  const ValidRecord* best() const;
  /// The directions with scores: those of the run record first, in its order, then others.
  std::vector<std::string> scored_directions() const;
};

/// Reads metrics.jsonl of a run folder, and usage.json where there is one. An incomplete last line is skipped, record
/// types it does not know as well. Throws Error with file and line for other damage, and where there is no such file.
RunMetrics read_run_metrics(const std::filesystem::path& run);

}  // namespace polymoe
