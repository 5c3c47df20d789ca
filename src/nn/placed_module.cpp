#include "nn/placed_module.h"

#include <cmath>
#include <utility>

#include "nn/torch_headers.h"

#include "base/random.h"
#include "kernels/cpu/dropout.h"

namespace polymoe {
namespace {

thread_local bool gives_memory = true;

void collect_placements(const torch::nn::Module& module, const std::string& prefix,
                        std::map<std::string, Placement>& placements) {
  if (const auto* placed = dynamic_cast<const PlacedModule*>(&module)) {
    for (const auto& [name, placement] : placed->placements()) placements.emplace(prefix + name, placement);
  }
  for (const auto& child : module.named_children()) {
    collect_placements(*child.value(), prefix + child.key() + ".", placements);
  }
}

// Uniform numbers in [-bound, bound): those of the elements of the logical tensor that `parameter` holds.
void fill_part(const at::Tensor& parameter, const Placement& placement, double bound, PhiloxKey key) {
  at::Tensor values = at::empty(parameter.sizes(), at::kFloat);
  float* data = values.mutable_data_ptr<float>();
  const auto limit = static_cast<float>(bound);
  at::parallel_for(0, values.numel(), 1 << 16, [&](std::int64_t begin, std::int64_t end) {
    for (const Run& run : runs_of(placement, begin, end)) {
      kernels::fill_uniform(data + run.local, run.count, run.logical, -limit, limit, key);
    }
  });
  parameter.copy_(values);
}

}  // namespace

at::Tensor PlacedModule::register_placed(const std::string& name, Placement placement) {
  const std::vector<std::int64_t> shape = gives_memory ? placement.local_shape() : std::vector<std::int64_t>{0};
  at::Tensor parameter = register_parameter(name, at::empty(shape));
  placements_.emplace(name, std::move(placement));
  return parameter;
}

WithoutMemory::WithoutMemory() { gives_memory = false; }
WithoutMemory::~WithoutMemory() { gives_memory = true; }

std::map<std::string, Placement> placements_of(const torch::nn::Module& module) {
  std::map<std::string, Placement> placements;
  collect_placements(module, "", placements);
  for (const auto& item : module.named_parameters()) {
    placements.emplace(item.key(), whole_placement(item.value().sizes().vec()));
  }
  return placements;
}

std::int64_t logical_size(const Placement& placement) {
  std::int64_t size = 1;
  for (const std::int64_t length : placement.logical_shape) size *= length;
  return size;
}

void initialize_parameter(const std::string& name, const at::Tensor& parameter, const Placement& placement,
                          std::uint64_t seed) {
  const at::NoGradGuard no_grad;
  const bool is_bias = name.size() >= 4 && name.compare(name.size() - 4, 4, "bias") == 0;
  const bool is_norm = name.find("norm") != std::string::npos;
  if (is_bias || is_norm) {
    parameter.fill_(is_bias ? 0.0 : 1.0);
    return;
  }
  const std::size_t dims = placement.logical_shape.size();
  const auto fan_out = static_cast<double>(placement.logical_shape[dims - 2]);
  const auto fan_in = static_cast<double>(placement.logical_shape[dims - 1]);
  // A uniform number of variance 1 / hidden has the bound sqrt(3 / hidden).
  const bool is_embedding = name.find("embedding") != std::string::npos;
  const double bound = is_embedding ? std::sqrt(3.0 / fan_in) : std::sqrt(6.0 / (fan_in + fan_out));
  fill_part(parameter, placement, bound, RandomStream(seed, fnv1a(name)).key());
}

void initialize(torch::nn::Module& module, std::uint64_t seed) {
  const std::map<std::string, Placement> placements = placements_of(module);
  for (auto& item : module.named_parameters()) {
    initialize_parameter(item.key(), item.value(), placements.at(item.key()), seed);
  }
}

}  // namespace polymoe
