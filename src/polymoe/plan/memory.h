#pragma once

#include <algorithm>
#include <cstdint>

#include "polymoe/parallel/layout.h"
#include "polymoe/plan/model_shape.h"

namespace polymoe {

struct RunOptions;

/// Bytes of one process at the peak of an update.
struct MemoryPlan {
  // On the device.
  std::int64_t weights = 0;      ///< that are there all the time
  std::int64_t gradients = 0;    ///< likewise
  std::int64_t optimizer = 0;    ///< moments, and master weights beside lower precision
  std::int64_t activations = 0;  ///< kept for backward, and made for a while
  std::int64_t buffers = 0;      ///< blocks gathered or being reduced, tokens between experts, gradients on their way
  // Elsewhere.
  std::int64_t host = 0;              ///< state in host memory, and the window that state in files passes through
  std::int64_t host_in_update = 0;    ///< beside it, while Adam works on state from files and activations are gone
  std::int64_t host_activations = 0;  ///< beside it, the inputs of blocks that wait there
  std::int64_t disk = 0;

  /// State that does not depend on the batch.
  std::int64_t state() const { return weights + gradients + optimizer; }
  std::int64_t device() const { return state() + activations + buffers; }
  /// Device and host together, where they are one memory.
  std::int64_t together() const {
    return state() + host + std::max(activations + buffers + host_activations, host_in_update);
  }
  /// Of the host at the peak, and of what does not depend on the batch.
  std::int64_t host_peak() const { return host + std::max(host_in_update, host_activations); }
};

/// By formula from the options: nothing is allocated. Parameters are counted exactly (ModelShape), activations as
/// plan/activations.h has them; the peak is sought over all blocks of forward and backward, as ParameterSync goes
/// through them.
MemoryPlan plan_memory(const RunOptions& options, const Degrees& degrees, const ModelShape& shape);
MemoryPlan plan_memory(const RunOptions& options, const Degrees& degrees);

}  // namespace polymoe
