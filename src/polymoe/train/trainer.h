#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>

#include "polymoe/base/progress.h"
#include "polymoe/comm/communicator.h"

namespace polymoe {

struct RunOptions;

/// How a training ended.
struct TrainSummary {
  std::int64_t updates = 0;
  double seconds = 0.0;              ///< spent training and validating, over all resumed parts
  std::string reason;                ///< e.g. "train.max-updates reached"
  std::filesystem::path checkpoint;  ///< the last one
  bool interrupted = false;          ///< by the stop flag
};

/// Trains a model from a prepared dataset: updates, validation, checkpoints, metrics. Everything about a run lies in
/// its folder, train.output; a run that finds checkpoints there goes on from the newest one, in whatever layout. In the
/// same layout its losses are bit for bit those of a run that was never stopped.
class Trainer {
 public:
  /// Opens the dataset, builds or loads the model. Throws Error for whatever is wrong with options, data or checkpoint.
  /// All members of `world`, which must outlive this, make a trainer with the same options and call it together; the
  /// run's folder must be one that all of them see. The first one writes metrics and the report.
  Trainer(const RunOptions& options, Communicator& world);
  ~Trainer();

  /// Trains until max-updates, max-minutes, early stopping or `stop`; saves and returns.
  TrainSummary run(const std::atomic<bool>& stop, const ProgressSink& progress = {});

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace polymoe
