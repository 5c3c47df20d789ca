#pragma once

#include <cstdint>
#include <functional>

#include "polymoe/config/optimizer_options.h"
#include "polymoe/optim/parameter_store.h"

namespace polymoe {

/// What an update did.
struct UpdateReport {
  double gradient_norm = 0.0;  ///< over all parameters, before clipping
  bool skipped = false;        ///< the norm was not finite: nothing was changed
};

/// Adam with decoupled weight decay and clipping by the global norm (kernels/cpu/adam.h), over the parts of a
/// ParameterStore that this process keeps: master weights, own gradients and moments.
class Adam {
 public:
  /// `ema`: the decay of the averages, where the store keeps them. In update t it is at most (1 + t) / (10 + t), so
  /// that the first weights do not linger (as TensorFlow's ExponentialMovingAverage has it).
  Adam(ParameterStore& store, const OptimizerOptions& options, double ema = 0.0)
      : store_(store), options_(options), ema_(ema) {}

  /// One update of the master weights, and of own_values where they are apart, with the own gradients, which are left
  /// as they are. They are `loss_scale` times as large as those of the loss; `gradient_norm`, that of the whole model
  /// over all processes, is without it. What lives in files is read ahead and written behind, unit by unit. `done` is
  /// called with each unit as soon as it is updated.
  UpdateReport update(double learning_rate, double gradient_norm, double loss_scale = 1.0,
                      const std::function<void(ParameterUnit&)>& done = {});
  /// The same with the late gradients, and own_values stay as they are (DelayedUpdate).
  UpdateReport update_late(double learning_rate, double gradient_norm, double loss_scale);

  /// Updates done so far: the t of the bias correction. Part of a checkpoint.
  std::int64_t steps() const { return steps_; }
  void set_steps(std::int64_t steps) { steps_ = steps; }

 private:
  UpdateReport run(double learning_rate, double gradient_norm, double loss_scale, bool late,
                   const std::function<void(ParameterUnit&)>& done);

  ParameterStore& store_;
  OptimizerOptions options_;
  double ema_;
  std::int64_t steps_ = 0;
};

}  // namespace polymoe
