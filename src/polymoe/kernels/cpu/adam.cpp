#include "polymoe/kernels/cpu/adam.h"

#include "polymoe/kernels/adam_element.h"
#include "polymoe/kernels/cpu/clones.h"
#include "polymoe/kernels/cpu/lanes.h"

namespace polymoe::kernels {
namespace {

// Inlined into the versions for each generation of CPUs.
template <typename Gradient>
POLYMOE_INLINE void adam_rounding(float* __restrict parameters, const Gradient* __restrict gradients,
                                  float* __restrict first_moments, float* __restrict second_moments,
                                  BFloat16* __restrict rounded, std::int64_t count, const AdamStep& step) {
  const AdamFactors factors(step);
  for (std::int64_t i = 0; i < count; ++i) {
    const float value =
        adam_element(parameters[i], to_float(gradients[i]), first_moments[i], second_moments[i], factors);
    parameters[i] = value;
    from_float(value, rounded[i]);
  }
}

template <typename Element>
POLYMOE_INLINE double squares_of(const Element* values, std::int64_t count) {
  constexpr int kLanes = 8;
  double partial[kLanes] = {};
  std::int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    for (int lane = 0; lane < kLanes; ++lane) {
      const double value = to_float(values[i + lane]);
      partial[lane] += value * value;
    }
  }
  double sum = 0.0;
  for (const double value : partial) sum += value;
  for (; i < count; ++i) sum += static_cast<double>(to_float(values[i])) * to_float(values[i]);
  return sum;
}

}  // namespace

POLYMOE_CPU_CLONES
void adam(float* __restrict parameters, const float* __restrict gradients, float* __restrict first_moments,
          float* __restrict second_moments, std::int64_t count, const AdamStep& step) {
  const AdamFactors factors(step);
  for (std::int64_t i = 0; i < count; ++i) {
    parameters[i] = adam_element(parameters[i], gradients[i], first_moments[i], second_moments[i], factors);
  }
}

POLYMOE_CPU_CLONES
void adam(float* __restrict parameters, const float* __restrict gradients, float* __restrict first_moments,
          float* __restrict second_moments, BFloat16* __restrict rounded, std::int64_t count, const AdamStep& step) {
  adam_rounding(parameters, gradients, first_moments, second_moments, rounded, count, step);
}

POLYMOE_CPU_CLONES
void adam(float* __restrict parameters, const BFloat16* __restrict gradients, float* __restrict first_moments,
          float* __restrict second_moments, BFloat16* __restrict rounded, std::int64_t count, const AdamStep& step) {
  adam_rounding(parameters, gradients, first_moments, second_moments, rounded, count, step);
}

POLYMOE_CPU_CLONES
void move_towards(float* __restrict values, const float* __restrict targets, std::int64_t count, float share) {
  for (std::int64_t i = 0; i < count; ++i) values[i] += share * (targets[i] - values[i]);
}

POLYMOE_CPU_CLONES
double sum_of_squares(const float* values, std::int64_t count) { return squares_of(values, count); }

POLYMOE_CPU_CLONES
double sum_of_squares(const BFloat16* values, std::int64_t count) { return squares_of(values, count); }

}  // namespace polymoe::kernels
