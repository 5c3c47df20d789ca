#include "polymoe/optim/adam.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <vector>

#include "polymoe/kernels/cpu/adam.h"
#include "polymoe/kernels/cuda/adam.h"
#include "polymoe/tensor/gpu.h"
#include "polymoe/tensor/host_copy.h"
#include "polymoe/tensor/torch_headers.h"

namespace polymoe {
namespace {

constexpr std::int64_t kGrain = 1 << 15;

// The tensors of a unit that one update works on.
struct UnitUpdate {
  at::Tensor gradients;
  at::Tensor rounded;  // becomes a copy of the master weights in its element type; undefined where they are not apart
  const ParameterUnit& unit;
};

void adam_on_cpu(const UnitUpdate& update, const kernels::AdamStep& step) {
  const ParameterUnit& unit = update.unit;
  auto* master = unit.master.mutable_data_ptr<float>();
  auto* first = unit.first_moments.mutable_data_ptr<float>();
  auto* second = unit.second_moments.mutable_data_ptr<float>();
  const bool rounds =
      update.rounded.defined() && update.rounded.is_cpu() && update.rounded.scalar_type() == at::kBFloat16;
  auto* rounded = rounds ? static_cast<kernels::BFloat16*>(update.rounded.mutable_data_ptr()) : nullptr;
  const bool narrow = update.gradients.scalar_type() == at::kBFloat16;
  at::parallel_for(0, unit.master.numel(), kGrain, [&](std::int64_t begin, std::int64_t end) {
    const std::int64_t count = end - begin;
    if (narrow) {  // then the values are in bfloat16 too, and here
      kernels::adam(master + begin, elements<kernels::BFloat16>(update.gradients) + begin, first + begin,
                    second + begin, rounded + begin, count, step);
      return;
    }
    const float* gradients = elements<float>(update.gradients) + begin;
    if (rounded != nullptr) {
      kernels::adam(master + begin, gradients, first + begin, second + begin, rounded + begin, count, step);
    } else {
      kernels::adam(master + begin, gradients, first + begin, second + begin, count, step);
    }
  });
  // To a GPU while the next unit is updated: pinned master weights stay as they are until the next update. Those of a
  // file give their memory to others at once.
  if (!rounds && update.rounded.defined()) update.rounded.copy_(unit.master, /*non_blocking=*/unit.master.is_pinned());
}

// The same arithmetic in one kernel, or with LibTorch's elementwise functions.
void adam_on_device(const UnitUpdate& update, const kernels::AdamStep& step) {
  const ParameterUnit& unit = update.unit;
  if constexpr (kernels::cuda::kBuilt) {
    if (has_gpu_kernel(unit.master)) {
      const bool rounds =
          update.rounded.defined() && update.rounded.is_cuda() && update.rounded.scalar_type() == at::kBFloat16;
      with_elements(update.gradients, [&](auto element) {
        kernels::cuda::adam(unit.master.mutable_data_ptr<float>(), elements<decltype(element)>(update.gradients),
                            unit.first_moments.mutable_data_ptr<float>(), unit.second_moments.mutable_data_ptr<float>(),
                            rounds ? mutable_elements<kernels::BFloat16>(update.rounded) : nullptr, unit.master.numel(),
                            step, gpu_stream(unit.master));
      });
      if (!rounds && update.rounded.defined()) update.rounded.copy_(unit.master);
      return;
    }
  }
  const at::Tensor gradient = update.gradients.to(at::kFloat) * step.gradient_scale;
  unit.first_moments.mul_(step.beta1).add_(gradient, 1.0f - step.beta1);
  unit.second_moments.mul_(step.beta2).addcmul_(gradient, gradient, 1.0f - step.beta2);
  const at::Tensor scale = (unit.second_moments.sqrt() / std::sqrt(step.bias_correction2)).add_(step.epsilon);
  unit.master.mul_(1.0f - step.learning_rate * step.weight_decay);
  unit.master.addcdiv_(unit.first_moments, scale, -step.learning_rate / step.bias_correction1);
  if (update.rounded.defined()) update.rounded.copy_(unit.master);
}

void update_unit(const ParameterUnit& unit, const at::Tensor& gradients, const kernels::AdamStep& step, bool late) {
  const at::NoGradGuard no_grad;
  // A copy where they are in another tier than the optimiser state; the host waits for it.
  UnitUpdate update{gradients.to(unit.master.device()), {}, unit};
  if (!late && !unit.master.is_same(unit.own_values)) update.rounded = unit.own_values;
  unit.master.is_cpu() ? adam_on_cpu(update, step) : adam_on_device(update, step);
}

// averages += (1 - decay) (master - averages)
void update_averages(ParameterUnit& unit, double decay) {
  const at::NoGradGuard no_grad;
  const auto share = static_cast<float>(1.0 - decay);
  if (!unit.averages.is_cpu()) {
    unit.averages.lerp_(unit.master, share);
    return;
  }
  auto* averages = unit.averages.mutable_data_ptr<float>();
  const auto* master = unit.master.const_data_ptr<float>();
  at::parallel_for(0, unit.master.numel(), kGrain, [&](std::int64_t begin, std::int64_t end) {
    kernels::move_towards(averages + begin, master + begin, end - begin, share);
  });
}

// What an update of a unit works on.
std::vector<BufferUse> uses_of(const ParameterUnit& unit, bool late) {
  std::vector<BufferUse> uses{
      {unit.first_moments, Access::kWrite}, {unit.second_moments, Access::kWrite}, {unit.master, Access::kWrite}};
  if (unit.averages.defined()) uses.push_back({unit.averages, Access::kWrite});
  if (late) return uses;
  uses.push_back({unit.own_gradients, Access::kRead});
  uses.push_back({unit.own_values, Access::kWrite});
  return uses;
}

}  // namespace

UpdateReport Adam::update(double learning_rate, double gradient_norm, double loss_scale,
                          const std::function<void(ParameterUnit&)>& done) {
  return run(learning_rate, gradient_norm, loss_scale, /*late=*/false, done);
}

UpdateReport Adam::update_late(double learning_rate, double gradient_norm, double loss_scale) {
  return run(learning_rate, gradient_norm, loss_scale, /*late=*/true, {});
}

UpdateReport Adam::run(double learning_rate, double gradient_norm, double loss_scale, bool late,
                       const std::function<void(ParameterUnit&)>& done) {
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
      .gradient_scale = static_cast<float>((clip ? options_.clip_norm / report.gradient_norm : 1.0) / loss_scale),
  };
  const auto t = static_cast<double>(steps_);
  const double decay = std::min(ema_, (1.0 + t) / (10.0 + t));
  std::vector<ParameterUnit>& units = store_.units();
  const auto gradients_of = [late](const ParameterUnit& unit) -> const at::Tensor& {
    return late ? unit.late_gradients : unit.own_gradients;
  };
  // Gradients on a GPU whose moments and master weights are in host memory: on their way one unit ahead.
  std::optional<HostCopy> arriving;
  const auto bring = [&](const ParameterUnit& unit) {
    if (unit.master.is_cpu()) arriving.emplace(gradients_of(unit));
  };
  if (!units.empty()) bring(units[0]);
  for (std::size_t i = 0; i < units.size(); ++i) {
    const at::Tensor gradients = units[i].master.is_cpu() ? arriving->get() : gradients_of(units[i]);
    if (i + 1 < units.size()) bring(units[i + 1]);
    use_buffers(store_.files(), uses_of(units[i], late), [&] {
      if (store_.files() != nullptr && i + 1 < units.size()) {
        for (const BufferUse& next : uses_of(units[i + 1], late)) store_.files()->prefetch(next.buffer);
      }
      update_unit(units[i], gradients, step, late);
      if (units[i].averages.defined()) update_averages(units[i], decay);
    });
    if (done) done(units[i]);
  }
  return report;
}

}  // namespace polymoe
