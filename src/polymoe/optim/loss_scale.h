#pragma once

#include <cstdint>

namespace polymoe {

struct TrainOptions;

/// What the loss is multiplied by, so that small gradients of a narrow number format do not vanish (Micikevicius et al.
/// 2018). With float16 it falls by half at each overflow, whose update is skipped, and doubles after
/// train.loss-scale-window updates without one; otherwise it is 1. It depends on what all processes know, so it is the
/// same in all.
class LossScale {
 public:
  explicit LossScale(const TrainOptions& options);

  double value() const { return value_; }
  /// Whether it ever changes.
  bool is_dynamic() const { return dynamic_; }
  /// After each update. `overflow`: the gradient was not finite. Throws Error when no scale is small enough.
  void follow(bool overflow);

  /// Part of a checkpoint.
  struct State {
    double value = 1.0;
    std::int64_t updates_without_overflow = 0;
  };
  State state() const { return {value_, updates_without_overflow_}; }
  void restore(const State& state);

 private:
  bool dynamic_;
  std::int64_t window_;
  double value_;
  std::int64_t updates_without_overflow_ = 0;
};

}  // namespace polymoe
