#pragma once

#include <cstdint>

#include "polymoe/kernels/bfloat16.h"

namespace polymoe::kernels {

/// The numbers of one Adam update that all parameters share.
struct AdamStep {
  float learning_rate;
  float beta1;
  float beta2;
  float epsilon;
  float weight_decay;      ///< decoupled: parameters shrink by learning_rate * weight_decay
  float bias_correction1;  ///< 1 - beta1^t
  float bias_correction2;  ///< 1 - beta2^t
  float gradient_scale;    ///< gradients are multiplied by this first (clipping)
};

/// One Adam update (Kingma and Ba 2015; decoupled decay, Loshchilov and Hutter 2019) of `count` values, in one pass
/// over memory:
///   g = gradient_scale * gradient; m = beta1 m + (1 - beta1) g; v = beta2 v + (1 - beta2) g^2;
///   p -= learning_rate * (m / bias_correction1 / (sqrt(v / bias_correction2) + epsilon) + weight_decay * p)
void adam(float* parameters, const float* gradients, float* first_moments, float* second_moments, std::int64_t count,
          const AdamStep& step);
/// The same, and writes the new parameters in low precision to `rounded` on the way.
void adam(float* parameters, const float* gradients, float* first_moments, float* second_moments, BFloat16* rounded,
          std::int64_t count, const AdamStep& step);
void adam(float* parameters, const BFloat16* gradients, float* first_moments, float* second_moments, BFloat16* rounded,
          std::int64_t count, const AdamStep& step);

/// Moves each of `count` values by `share` of its way to the target: values += share * (targets - values).
void move_towards(float* values, const float* targets, std::int64_t count, float share);

/// The sum of squares of `count` values, in float64.
double sum_of_squares(const float* values, std::int64_t count);
double sum_of_squares(const BFloat16* values, std::int64_t count);

}  // namespace polymoe::kernels
