#pragma once

#include <limits>
#include <map>
#include <string>
#include <utility>
#include <variant>
#include <vector>

/// What a run writes to its metrics.jsonl, a record a line. Everything that shows a run's numbers reads these structs:
/// the file's lines, TensorBoard's charts, the log and the report. Their keys stand in metrics/schema.h.
namespace polymoe {

/// A number that is not there. (All are doubles, counts too: they are exact to 2^53.)
inline constexpr double kMissing = std::numeric_limits<double>::quiet_NaN();

/// What a run is, when it begins.
struct RunRecord {
  double time = kMissing;  ///< seconds since 1970, as in all records
  double parameters = kMissing;
  double active_parameters = kMissing;  ///< those that compute for one token
  double state_bytes = kMissing;        ///< of the first process: weights, gradients and what the optimiser keeps
  double file_bytes = kMissing;         ///< of that, in files
  std::vector<std::string> languages = {};
  std::vector<std::string> directions = {};
  std::vector<std::pair<std::string, std::string>> config = {};  ///< "model.moe.experts" and its value
};

/// Means over the target tokens of one task.
struct TaskLoss {
  double loss = kMissing;  ///< label-smoothed
  double nll = kMissing;
};

/// What the processes sent to a group, for each of them and each update.
struct GroupTraffic {
  double bytes = kMissing;
  double seconds = kMissing;  ///< until it was there: sending, and waiting for others
};

/// The updates since the record before.
struct TrainRecord {
  double update = kMissing;
  double time = kMissing;
  double seconds = kMissing;      ///< of training so far
  double cpu_seconds = kMissing;  ///< of processor time so far, of all processes and threads
  double loss = kMissing;         ///< label-smoothed
  double nll = kMissing;
  double balance_loss = kMissing;  ///< missing for a dense model
  double learning_rate = kMissing;
  double gradient_norm = kMissing;  ///< mean over the updates that were not skipped
  double tokens = kMissing;         ///< target tokens so far
  double tokens_per_second = kMissing;
  double skipped_updates = kMissing;      ///< so far; missing where there are none
  double loss_scale = kMissing;           ///< missing but in float16
  double communication_share = kMissing;  ///< of the time; missing for one process
  std::map<std::string, TaskLoss> tasks = {};
  std::map<std::string, double> memory = {};               ///< the most bytes of any process so far, by kind
  std::map<std::string, GroupTraffic> communication = {};  ///< by group; empty for one process
};

/// Scores of a direction, or of a task as means over its directions. Those that were not measured are missing.
struct Scores {
  double loss = kMissing;
  double segments = kMissing;
  double bleu = kMissing;
  double chrf = kMissing;
  double chrf_copy = kMissing;  ///< chrF of the source taken as the translation
  double rouge1 = kMissing;
  double rouge2 = kMissing;
  double rouge_l = kMissing;
};

struct TaskScores : Scores {
  double nll = kMissing;
  std::map<std::string, Scores> directions = {};  ///< but for translation, whose are the record's own
};

/// A validation.
struct ValidRecord {
  double update = kMissing;
  double time = kMissing;
  double loss = kMissing;
  double nll = kMissing;
  double bleu = kMissing;
  double chrf = kMissing;
  bool best = false;                              ///< of the run so far
  std::map<std::string, Scores> directions = {};  ///< of translation
  std::map<std::string, TaskScores> tasks = {};
};

struct LanguageLoad {
  std::string language = {};
  double tokens = kMissing;
  std::vector<double> load = {};  ///< share of the tokens for each expert
  double dropped = kMissing;      ///< share of the tokens that no expert took
  double entropy = kMissing;      ///< of the gate's probabilities, in nats
};

struct LayerLoad {
  std::string name = {};
  double experts = kMissing;
  std::vector<double> dropped_by_position =
      {};  ///< share of the assignments without a place, by tenth of the micro-batch
  std::vector<LanguageLoad> languages = {};
};

/// What the experts did in a validation.
struct ExpertsRecord {
  double update = kMissing;
  double time = kMissing;
  std::vector<LayerLoad> layers = {};
};

struct SampleTranslation {
  std::string task = {};  ///< "" for translation
  std::string direction = {};
  std::string source = {};
  std::string reference = {};
  std::string translation = {};
};

/// What the model made of some segments in a validation.
struct SamplesRecord {
  double update = kMissing;
  double time = kMissing;
  std::vector<SampleTranslation> samples = {};
};

using MetricsRecord = std::variant<RunRecord, TrainRecord, ValidRecord, ExpertsRecord, SamplesRecord>;

}  // namespace polymoe
