#pragma once

#include <exception>
#include <thread>

#include "polymoe/optim/adam.h"
#include "polymoe/optim/parameter_store.h"

namespace polymoe {

/// Updates that run in a thread of their own while the next gradients are computed, and so lag one batch behind (the
/// delayed parameter update of ZeRO-Offload, Ren et al. 2021). The store has Tiers::keeps_late_gradients.
///
/// For each batch: start(); backward meanwhile; finish(), after which own_values are new; keep().
class DelayedUpdate {
 public:
  /// Both must outlive this.
  DelayedUpdate(ParameterStore& store, Adam& adam) : store_(store), adam_(adam) {}
  ~DelayedUpdate();
  DelayedUpdate(const DelayedUpdate&) = delete;
  DelayedUpdate& operator=(const DelayedUpdate&) = delete;

  /// Begins the update with what was kept last, if something was.
  void start();
  /// Waits for it, and brings the new weights to own_values. Whether there was one. Throws what it threw.
  bool finish();
  /// Keeps a copy of the own gradients for the next start(), with what else Adam::update() wants.
  void keep(double learning_rate, double gradient_norm, double loss_scale);

  /// What waits for the next start(), beside the late gradients. Part of a checkpoint, between finish() and start().
  struct State {
    bool waits = false;
    double learning_rate = 0.0, gradient_norm = 0.0, loss_scale = 1.0;
  };
  const State& state() const { return state_; }
  void restore(const State& state) { state_ = state; }

 private:
  ParameterStore& store_;
  Adam& adam_;
  State state_;
  std::thread thread_;
  std::exception_ptr failure_;
};

}  // namespace polymoe
