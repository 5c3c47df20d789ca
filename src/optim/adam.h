#pragma once

#include <cstdint>

#include "config/options.h"
#include "optim/parameter_store.h"

namespace polymoe {

/// What an update did.
struct UpdateReport {
  double gradient_norm = 0.0;  ///< over all parameters, before clipping
  bool skipped = false;        ///< the norm was not finite: nothing was changed
};

/// Adam with decoupled weight decay and clipping by the global norm (kernels/cpu/adam.h), over the flat buffers of
/// a ParameterStore.
class Adam {
 public:
  Adam(ParameterStore& store, const OptimizerOptions& options) : store_(store), options_(options) {}

  /// One update with the gradients that the store holds. Gradients are left as they are.
  UpdateReport update(double learning_rate);

  /// Updates done so far: the t of the bias correction. Part of a checkpoint.
  std::int64_t steps() const { return steps_; }
  void set_steps(std::int64_t steps) { steps_ = steps; }

 private:
  ParameterStore& store_;
  OptimizerOptions options_;
  std::int64_t steps_ = 0;
};

/// The Euclidean norm of all gradients.
double gradient_norm(const ParameterStore& store);

}  // namespace polymoe
