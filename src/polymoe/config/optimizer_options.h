#pragma once

#include <cstdint>
#include <string_view>

#include "polymoe/config/words.h"

namespace polymoe {

/// How the learning rate falls after its warm-up.
enum class Schedule { kInverseSqrt, kCosine, kLinear, kConstant };
template <>
struct Words<Schedule> {
  static constexpr std::string_view kAll[] = {"inverse-sqrt", "cosine", "linear", "constant"};
};

/// The peak learning rate where none is given: wider models want less (experiments/learning-rate).
constexpr double default_learning_rate(std::int64_t hidden) { return 0.4 / static_cast<double>(hidden); }

/// Adam and its schedule.
struct OptimizerOptions {
  double learning_rate = default_learning_rate(512);  // at its peak
  Schedule schedule = Schedule::kInverseSqrt;         // after the warm-up
  std::int64_t warmup_updates = 4000;                 // of linear warm-up
  double min_learning_rate = 0.0;                     // at the end of cosine and linear schedules
  double beta1 = 0.9;                                 // decay of the first moment
  double beta2 = 0.98;                                // decay of the second moment
  double epsilon = 1e-6;                              // added to the root of the second moment
  double weight_decay = 0.0;                          // decoupled (AdamW)
  double clip_norm = 1.0;                             // largest norm of the gradient; 0: no clipping
};

}  // namespace polymoe
