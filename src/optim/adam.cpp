#include "optim/adam.h"

#include <cmath>

#include "kernels/cpu/adam.h"
#include "nn/torch_headers.h"

namespace polymoe {
namespace {

constexpr std::int64_t kGrain = 1 << 15;

void adam_on_cpu(ParameterUnit& unit, const kernels::AdamStep& step) {
  auto* values = unit.values.mutable_data_ptr<float>();
  const auto* gradients = unit.gradients.const_data_ptr<float>();
  auto* first = unit.first_moments.mutable_data_ptr<float>();
  auto* second = unit.second_moments.mutable_data_ptr<float>();
  at::parallel_for(0, unit.values.numel(), kGrain, [&](std::int64_t begin, std::int64_t end) {
    kernels::adam(values + begin, gradients + begin, first + begin, second + begin, end - begin, step);
  });
}

// The same arithmetic with the device's own elementwise functions.
void adam_on_device(ParameterUnit& unit, const kernels::AdamStep& step) {
  const at::NoGradGuard no_grad;
  const at::Tensor gradient = unit.gradients * step.gradient_scale;
  unit.first_moments.mul_(step.beta1).add_(gradient, 1.0f - step.beta1);
  unit.second_moments.mul_(step.beta2).addcmul_(gradient, gradient, 1.0f - step.beta2);
  const at::Tensor scale = (unit.second_moments.sqrt() / std::sqrt(step.bias_correction2)).add_(step.epsilon);
  unit.values.mul_(1.0f - step.learning_rate * step.weight_decay);
  unit.values.addcdiv_(unit.first_moments, scale, -step.learning_rate / step.bias_correction1);
}

}  // namespace

double gradient_norm(const ParameterStore& store) {
  double sum = 0.0;
  for (const ParameterUnit& unit : store.units()) {
    if (unit.gradients.is_cpu()) {
      sum += kernels::sum_of_squares(unit.gradients.const_data_ptr<float>(), unit.gradients.numel());
    } else {
      sum += unit.gradients.square().sum(at::kDouble).item<double>();
    }
  }
  return std::sqrt(sum);
}

UpdateReport Adam::update(double learning_rate) {
  UpdateReport report;
  report.gradient_norm = gradient_norm(store_);
  if (!std::isfinite(report.gradient_norm)) {
    report.skipped = true;
    return report;
  }
  ++steps_;
  const bool clip = options_.clip_norm > 0 && report.gradient_norm > options_.clip_norm;
  const kernels::AdamStep step{
      .learning_rate = static_cast<float>(learning_rate),
      .beta1 = static_cast<float>(options_.beta1),
      .beta2 = static_cast<float>(options_.beta2),
      .epsilon = static_cast<float>(options_.epsilon),
      .weight_decay = static_cast<float>(options_.weight_decay),
      .bias_correction1 = static_cast<float>(1.0 - std::pow(options_.beta1, static_cast<double>(steps_))),
      .bias_correction2 = static_cast<float>(1.0 - std::pow(options_.beta2, static_cast<double>(steps_))),
      .gradient_scale = static_cast<float>(clip ? options_.clip_norm / report.gradient_norm : 1.0),
  };
  for (ParameterUnit& unit : store_.units()) {
    unit.values.is_cpu() ? adam_on_cpu(unit, step) : adam_on_device(unit, step);
  }
  store_.publish();
  return report;
}

}  // namespace polymoe
