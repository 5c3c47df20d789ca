#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "polymoe/parallel/layout.h"
#include "polymoe/train/step.h"

namespace polymoe {

/// What processes sent to a group, and how long they waited for the others.
struct Traffic {
  std::int64_t bytes = 0;
  double seconds = 0.0;
};

/// Sums over the updates since the last log line.
struct Window {
  std::map<std::int32_t, TokenLoss> tasks;
  double balance_loss = 0.0;
  double gradient_norm = 0.0;  // of updates that were not skipped; the same in every process
  std::int64_t skipped = 0;
  std::int64_t updates = 0;
  double seconds = 0.0;
  std::int64_t all_target_tokens = 0;  // of all processes

  std::map<std::string, Traffic> traffic;  // by group

  void add(const StepReport& report, double step_seconds);
  TokenLoss total() const;

  /// The sums over all processes. `num_tasks`: how many there can be. All call it together.
  Window over_all(const ParallelLayout& layout, std::size_t num_tasks) const;

  /// Leaves the sums of all processes to the first one. A run that goes on from a checkpoint then adds the same numbers
  /// in the same order as one that was never stopped. All call it together.
  void move_to_first(const ParallelLayout& layout, std::size_t num_tasks);
};

/// For a checkpoint: the first process's window, after Window::move_to_first().
nlohmann::json to_json(const Window& window);

/// A process's part of it. Throws nlohmann::json::exception for what is not such a text.
Window window_from_json(const nlohmann::json& window, bool is_first);

/// What this process has sent to each group since its start.
std::map<std::string, Traffic> traffic_of(const std::vector<Communicator*>& groups);

}  // namespace polymoe
