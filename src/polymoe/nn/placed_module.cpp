#include "polymoe/nn/placed_module.h"

#include <cmath>
#include <utility>

#include "polymoe/tensor/torch_headers.h"

#include "polymoe/base/random.h"
#include "polymoe/kernels/cpu/dropout.h"

namespace polymoe {
namespace {

thread_local bool gives_memory = true;

// `prefix` of the module's names; `block` that it is in.
void collect(const torch::nn::Module& module, const std::string& prefix, std::string block,
             std::map<std::string, PlacedParameter>& parameters) {
  if (dynamic_cast<const BlockModule*>(&module) != nullptr) block = prefix.substr(0, prefix.size() - 1);
  if (const auto* placed = dynamic_cast<const PlacedModule*>(&module)) {
    for (const auto& [name, parameter] : placed->placed()) {
      parameters.emplace(prefix + name, parameter).first->second.block = block;
    }
  }
  for (const auto& child : module.named_children()) {
    collect(*child.value(), prefix + child.key() + ".", block, parameters);
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

at::Tensor PlacedModule::register_weight(const std::string& name, Role role, Placement placement) {
  return add(name, {std::move(placement), role});
}

at::Tensor PlacedModule::register_bias(const std::string& name, Role role, Placement placement) {
  return add(name, {std::move(placement), role, /*bias=*/true});
}

at::Tensor PlacedModule::add(const std::string& name, PlacedParameter parameter) {
  const std::vector<std::int64_t> none{0};
  at::Tensor values = register_parameter(name, at::empty(gives_memory ? parameter.placement.local_shape() : none));
  placed_.emplace(name, std::move(parameter));
  return values;
}

OnMetaDevice::OnMetaDevice() { gives_memory = false; }
OnMetaDevice::~OnMetaDevice() { gives_memory = true; }

std::map<std::string, PlacedParameter> placed_parameters(const torch::nn::Module& module) {
  std::map<std::string, PlacedParameter> parameters;
  collect(module, "", "", parameters);
  for (const auto& item : module.named_parameters()) {
    parameters.emplace(item.key(), PlacedParameter{whole_placement(item.value().sizes().vec()), Role::kMatrix,
                                                   /*bias=*/item.value().dim() == 1});
  }
  return parameters;
}

std::int64_t logical_size(const Placement& placement) {
  std::int64_t size = 1;
  for (const std::int64_t length : placement.logical_shape) size *= length;
  return size;
}

void initialize_parameter(const std::string& name, const at::Tensor& parameter, const PlacedParameter& placed,
                          std::uint64_t seed) {
  const at::NoGradGuard no_grad;
  if (placed.bias || placed.role == Role::kNorm) {
    parameter.fill_(placed.bias ? 0.0 : 1.0);
    return;
  }
  const Placement& placement = placed.placement;
  const std::size_t dims = placement.logical_shape.size();
  const auto fan_out = static_cast<double>(placement.logical_shape[dims - 2]);
  const auto fan_in = static_cast<double>(placement.logical_shape[dims - 1]);
  // A uniform number of variance 1 / hidden has the bound sqrt(3 / hidden).
  const bool is_embedding = placed.role == Role::kEmbedding;
  const double bound = is_embedding ? std::sqrt(3.0 / fan_in) : std::sqrt(6.0 / (fan_in + fan_out));
  fill_part(parameter, placement, bound, RandomStream(seed, fnv1a(name)).key());
}

void initialize(torch::nn::Module& module, std::uint64_t seed) {
  const std::map<std::string, PlacedParameter> placed = placed_parameters(module);
  for (auto& item : module.named_parameters()) {
    initialize_parameter(item.key(), item.value(), placed.at(item.key()), seed);
  }
}

}  // namespace polymoe
