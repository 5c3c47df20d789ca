#include "polymoe/optim/loss_scale.h"

#include "polymoe/base/error.h"
#include "polymoe/config/train_options.h"

namespace polymoe {
namespace {

constexpr double kSmallest = 1.0 / (1 << 14);

}  // namespace

LossScale::LossScale(const TrainOptions& options)
    : dynamic_(options.precision == NumberFormat::kFloat16),
      window_(options.loss_scale_window),
      value_(dynamic_ ? options.loss_scale : 1.0) {}

void LossScale::follow(bool overflow) {
  if (!dynamic_) return;
  if (!overflow) {
    if (++updates_without_overflow_ < window_) return;
    value_ *= 2;
    updates_without_overflow_ = 0;
    return;
  }
  value_ /= 2;
  updates_without_overflow_ = 0;
  if (value_ < kSmallest) {
    throw Error(
        fmt::format("train.precision: float16 cannot hold the gradients at any train.loss-scale down to {}", value_),
        {}, "lower optimizer.learning-rate, or use bfloat16 or float32");
  }
}

void LossScale::restore(const State& state) {
  value_ = state.value;
  updates_without_overflow_ = state.updates_without_overflow;
}

}  // namespace polymoe
