#include "kernels/cpu/adam.h"

#include <cmath>

#include "kernels/cpu/clones.h"

namespace polymoe::kernels {

POLYMOE_CPU_CLONES
void adam(float* __restrict parameters, const float* __restrict gradients, float* __restrict first_moments,
          float* __restrict second_moments, std::int64_t count, const AdamStep& step) {
  const AdamStep s = step;
  const float one_minus_beta1 = 1.0f - s.beta1;
  const float one_minus_beta2 = 1.0f - s.beta2;
  const float step_size = s.learning_rate / s.bias_correction1;
  const float root_scale = 1.0f / std::sqrt(s.bias_correction2);
  const float keep = 1.0f - s.learning_rate * s.weight_decay;
  for (std::int64_t i = 0; i < count; ++i) {
    const float gradient = s.gradient_scale * gradients[i];
    const float first = s.beta1 * first_moments[i] + one_minus_beta1 * gradient;
    const float second = s.beta2 * second_moments[i] + one_minus_beta2 * gradient * gradient;
    first_moments[i] = first;
    second_moments[i] = second;
    parameters[i] = keep * parameters[i] - step_size * first / (std::sqrt(second) * root_scale + s.epsilon);
  }
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
