#pragma once

#include <cstdint>
#include <filesystem>
#include <limits>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "evaluate/expert_usage.h"

namespace polymoe {

/// What the records of a metrics.jsonl say. Numbers that are missing or null are NaN.
inline constexpr double kMissing = std::numeric_limits<double>::quiet_NaN();

struct TrainRecord {
  double update = kMissing;
  double time = kMissing;     ///< seconds since 1970
  double seconds = kMissing;  ///< of training so far
  double loss = kMissing;
  double nll = kMissing;
  double balance_loss = kMissing;
  double learning_rate = kMissing;
  double gradient_norm = kMissing;
  double tokens = kMissing;  ///< target tokens so far
  double tokens_per_second = kMissing;
  std::map<std::string, double> task_losses;
};

struct DirectionScores {
  double loss = kMissing;
  double bleu = kMissing;
  double chrf = kMissing;
  double chrf_copy = kMissing;  ///< chrF of the source taken as the translation
  double segments = kMissing;
};

/// Scores of a task of the user's naming.
struct TaskScores {
  double loss = kMissing;
  double segments = kMissing;
  double chrf = kMissing;  ///< means over the task's directions
  double rouge1 = kMissing;
  double rouge2 = kMissing;
  double rouge_l = kMissing;
};

struct ValidRecord {
  double update = kMissing;
  double loss = kMissing;
  double bleu = kMissing;
  double chrf = kMissing;
  bool best = false;
  std::map<std::string, DirectionScores> directions;
  std::map<std::string, TaskScores> tasks;
};

struct LanguageLoad {
  std::string language;
  double tokens = kMissing;
  std::vector<double> load;   ///< share of the tokens for each expert
  double dropped = kMissing;  ///< share of the tokens that no expert took
  double entropy = kMissing;  ///< of the gate's probabilities, in nats
};

struct LayerLoad {
  std::string name;
  std::vector<LanguageLoad> languages;
};

struct ExpertsRecord {
  double update = kMissing;
  std::vector<LayerLoad> layers;
};

struct Sample {
  std::string task;  ///< "" for translation
  std::string direction;
  std::string source;
  std::string reference;
  std::string translation;
};

struct SamplesRecord {
  double update = kMissing;
  std::vector<Sample> samples;
};

/// One run. Records of a kind stand in the order of their updates; where a run went back to an earlier update, what it
/// made anew replaces what it had made before.
struct RunMetrics {
  std::string name;  ///< of the run's folder
  double start_time = kMissing;
  double parameters = kMissing;
  double active_parameters = kMissing;
  std::vector<std::string> languages;
  std::vector<std::string> directions;
  std::vector<std::pair<std::string, std::string>> config;  ///< "model.hidden" and its value, in the file's order
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
