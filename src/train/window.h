#pragma once

#include <cstdint>
#include <map>

#include "comm/communicator.h"
#include "train/step.h"

namespace polymoe {

/// Sums over the updates since the last log line.
struct Window {
  std::map<std::int32_t, TokenLoss> tasks;
  double balance_loss = 0.0;
  double gradient_norm = 0.0;  // the same in every process
  std::int64_t updates = 0;
  double seconds = 0.0;

  void add(const StepReport& report, double step_seconds);
  TokenLoss total() const;

  /// The sums over all processes. Those with `counts` false hold the same micro-batches as another one and add nothing.
  /// All members of `world` call it together.
  Window over_all(Communicator& world, bool counts) const;
};

}  // namespace polymoe
