#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>

#include <nlohmann/json_fwd.hpp>

#include "polymoe/checkpoint/checkpoint.h"
#include "polymoe/train/run_folder.h"
#include "polymoe/train/run_meta.h"
#include "polymoe/train/setup.h"
#include "polymoe/train/step.h"
#include "polymoe/train/window.h"

namespace polymoe {

/// What changes as a run goes on: the model, its optimiser, counters, the sums of the log line in progress and the
/// place in the data; and the checkpoints of it in the run's folder. All processes call everything here together.
class RunState {
 public:
  /// Takes the folder, makes the model, and goes on from the newest checkpoint or, in a new run, starts from that of
  /// train.init, where it is given. `setup` must outlive this. Throws Error for checkpoints that do not fit.
  explicit RunState(TrainSetup& setup);

  /// Saves a checkpoint, unless nothing has changed since the last or the last gradient was not finite, and removes
  /// those that are too many.
  void save();
  /// Saves the weights as the best ones: for use, not for resuming.
  void save_best();

  RunFolder folder;
  TrainState train;
  RunCounters counters;
  Window window;                      ///< the updates since the last train record
  std::int64_t skipped_in_a_row = 0;  ///< updates without a finite gradient, up to now
  bool has_metrics = false;           ///< whether the folder had records when the run was taken up

 private:
  void start_or_resume();
  void take_optimizer(const Checkpoint& checkpoint);
  void resume(const Checkpoint& checkpoint);
  void take_best(const Checkpoint& checkpoint);
  nlohmann::json meta();
  std::size_t num_tasks() const;
  std::filesystem::path output() const { return setup_.options.train.output; }

  TrainSetup& setup_;
  std::int64_t saved_update_ = -1, saved_validation_ = -1;
};

}  // namespace polymoe
