#pragma once

#include <cstdint>
#include <string>

#include "polymoe/parallel/layout.h"

namespace polymoe {

struct RunOptions;

/// Bytes that a process may use; 0 where nothing limits it.
struct MemoryLimits {
  std::int64_t device = 0;    ///< train.device-memory
  std::int64_t host = 0;      ///< train.host-memory
  std::int64_t together = 0;  ///< device and host, where they are one memory
};

/// Before anything is allocated: throws Error where what does not depend on the batch (weights, gradients, optimiser
/// state, which are counted exactly) goes over a limit; the message names what takes most and, where there is one, a
/// setting that fits. Where only the predicted peak, with activations, does, returns a line that says so; else "".
std::string check_memory(const RunOptions& options, const Degrees& degrees, const MemoryLimits& limits);

}  // namespace polymoe
