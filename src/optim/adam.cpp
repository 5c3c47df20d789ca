#include "optim/adam.h"

#include <cmath>
#include <vector>

#include "kernels/cpu/adam.h"
#include "nn/torch_headers.h"

namespace polymoe {
namespace {

constexpr std::int64_t kGrain = 1 << 15;

void adam_on_cpu(ParameterUnit& unit, const kernels::AdamStep& step) {
  auto* master = unit.master.mutable_data_ptr<float>();
  const auto* gradients = unit.own_gradients.const_data_ptr<float>();
  auto* first = unit.first_moments.mutable_data_ptr<float>();
  auto* second = unit.second_moments.mutable_data_ptr<float>();
  const bool rounds = unit.own_values.is_cpu() && unit.own_values.scalar_type() == at::kBFloat16;
  auto* rounded = rounds ? static_cast<kernels::BFloat16*>(unit.own_values.mutable_data_ptr()) : nullptr;
  at::parallel_for(0, unit.master.numel(), kGrain, [&](std::int64_t begin, std::int64_t end) {
    const std::int64_t count = end - begin;
    if (rounded != nullptr) {
      kernels::adam(master + begin, gradients + begin, first + begin, second + begin, rounded + begin, count, step);
    } else {
      kernels::adam(master + begin, gradients + begin, first + begin, second + begin, count, step);
    }
  });
  if (!rounds && !unit.master.is_same(unit.own_values)) unit.own_values.copy_(unit.master);
}

// The same arithmetic with the device's own elementwise functions.
void adam_on_device(ParameterUnit& unit, const kernels::AdamStep& step) {
  const at::NoGradGuard no_grad;
  const at::Tensor gradient = unit.own_gradients * step.gradient_scale;
  unit.first_moments.mul_(step.beta1).add_(gradient, 1.0f - step.beta1);
  unit.second_moments.mul_(step.beta2).addcmul_(gradient, gradient, 1.0f - step.beta2);
  const at::Tensor scale = (unit.second_moments.sqrt() / std::sqrt(step.bias_correction2)).add_(step.epsilon);
  unit.master.mul_(1.0f - step.learning_rate * step.weight_decay);
  unit.master.addcdiv_(unit.first_moments, scale, -step.learning_rate / step.bias_correction1);
  if (!unit.master.is_same(unit.own_values)) unit.own_values.copy_(unit.master);
}

void update_unit(ParameterUnit& unit, const kernels::AdamStep& step) {
  // Gradients of the device, moments and master weights of the host.
  const at::NoGradGuard no_grad;
  const at::Tensor gradients = unit.own_gradients;
  if (gradients.device() != unit.master.device()) unit.own_gradients = gradients.to(unit.master.device());
  unit.master.is_cpu() ? adam_on_cpu(unit, step) : adam_on_device(unit, step);
  unit.own_gradients = gradients;
}

// What an update of a unit works on.
std::vector<BufferUse> uses_of(const ParameterUnit& unit) {
  return {{unit.own_gradients, Access::kRead},
          {unit.first_moments, Access::kWrite},
          {unit.second_moments, Access::kWrite},
          {unit.master, Access::kWrite},
          {unit.own_values, Access::kWrite}};
}

}  // namespace

double sum_of_squares(const at::Tensor& values) {
  if (values.is_cpu()) return kernels::sum_of_squares(values.const_data_ptr<float>(), values.numel());
  return values.square().sum(at::kDouble).item<double>();
}

UpdateReport Adam::update(double learning_rate, double gradient_norm) {
  UpdateReport report;
  report.gradient_norm = gradient_norm;
  if (!std::isfinite(gradient_norm)) {
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
  std::vector<ParameterUnit>& units = store_.units();
  for (std::size_t i = 0; i < units.size(); ++i) {
    use_buffers(store_.files(), uses_of(units[i]), [&] {
      if (store_.files() != nullptr && i + 1 < units.size()) {
        for (const BufferUse& next : uses_of(units[i + 1])) store_.files()->prefetch(next.buffer);
      }
      update_unit(units[i], step);
    });
  }
  return report;
}

}  // namespace polymoe
