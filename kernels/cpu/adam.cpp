#include "kernels/cpu/adam.h"

#include <cmath>

#include "kernels/cpu/clones.h"

namespace polymoe::kernels {

namespace {

// What all elements share, worked out once.
struct AdamFactors {
  explicit AdamFactors(const AdamStep& s)
      : gradient_scale(s.gradient_scale),
        beta1(s.beta1),
        beta2(s.beta2),
        one_minus_beta1(1.0f - s.beta1),
        one_minus_beta2(1.0f - s.beta2),
        step_size(s.learning_rate / s.bias_correction1),
        root_scale(1.0f / std::sqrt(s.bias_correction2)),
        epsilon(s.epsilon),
        keep(1.0f - s.learning_rate * s.weight_decay) {}

  float gradient_scale, beta1, beta2, one_minus_beta1, one_minus_beta2, step_size, root_scale, epsilon, keep;
};

// Inlined into each clone, so that it is compiled for that CPU.
[[gnu::always_inline]] inline float update_element(float parameter, float raw_gradient, float& first_moment,
                                                   float& second_moment, const AdamFactors& f) {
  const float gradient = f.gradient_scale * raw_gradient;
  const float first = f.beta1 * first_moment + f.one_minus_beta1 * gradient;
  const float second = f.beta2 * second_moment + f.one_minus_beta2 * gradient * gradient;
  first_moment = first;
  second_moment = second;
  return f.keep * parameter - f.step_size * first / (std::sqrt(second) * f.root_scale + f.epsilon);
}

}  // namespace

POLYMOE_CPU_CLONES
void adam(float* __restrict parameters, const float* __restrict gradients, float* __restrict first_moments,
          float* __restrict second_moments, std::int64_t count, const AdamStep& step) {
  const AdamFactors factors(step);
  for (std::int64_t i = 0; i < count; ++i) {
    parameters[i] = update_element(parameters[i], gradients[i], first_moments[i], second_moments[i], factors);
  }
}

POLYMOE_CPU_CLONES
void adam(float* __restrict parameters, const float* __restrict gradients, float* __restrict first_moments,
          float* __restrict second_moments, BFloat16* __restrict rounded, std::int64_t count, const AdamStep& step) {
  const AdamFactors factors(step);
  for (std::int64_t i = 0; i < count; ++i) {
    const float value = update_element(parameters[i], gradients[i], first_moments[i], second_moments[i], factors);
    parameters[i] = value;
    from_float(value, rounded[i]);
  }
}

POLYMOE_CPU_CLONES
void move_towards(float* __restrict values, const float* __restrict targets, std::int64_t count, float share) {
  for (std::int64_t i = 0; i < count; ++i) values[i] += share * (targets[i] - values[i]);
}

POLYMOE_CPU_CLONES
double sum_of_squares(const float* values, std::int64_t count) {
  constexpr int kLanes = 8;
  double partial[kLanes] = {};
  std::int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    for (int lane = 0; lane < kLanes; ++lane) {
      const double value = values[i + lane];
      partial[lane] += value * value;
    }
  }
  double sum = 0.0;
  for (const double value : partial) sum += value;
  for (; i < count; ++i) sum += static_cast<double>(values[i]) * values[i];
  return sum;
}

}  // namespace polymoe::kernels
