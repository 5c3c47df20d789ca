#pragma once

#include <cmath>

#include "polymoe/kernels/cpu/adam.h"
#include "polymoe/kernels/host_device.h"

namespace polymoe::kernels {

/// What all elements of an update share, worked out once.
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

/// One element's update; returns the new parameter. Always inlined on the host: into each version that is compiled for
/// a generation of CPUs.
POLYMOE_HOST_DEVICE [[gnu::always_inline]] inline float adam_element(float parameter, float raw_gradient,
                                                                     float& first_moment, float& second_moment,
                                                                     const AdamFactors& f) {
  const float gradient = f.gradient_scale * raw_gradient;
  const float first = f.beta1 * first_moment + f.one_minus_beta1 * gradient;
  const float second = f.beta2 * second_moment + f.one_minus_beta2 * gradient * gradient;
  first_moment = first;
  second_moment = second;
  return f.keep * parameter - f.step_size * first / (std::sqrt(second) * f.root_scale + f.epsilon);
}

}  // namespace polymoe::kernels
