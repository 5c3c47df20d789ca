#include "polymoe/nn/parameter_module.h"

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
             std::map<std::string, ParameterSpec>& parameters) {
  if (dynamic_cast<const BlockModule*>(&module) != nullptr) block = prefix.substr(0, prefix.size() - 1);
  if (const auto* described = dynamic_cast<const ParameterModule*>(&module)) {
    for (const auto& [name, parameter] : described->own_specs()) {
      parameters.emplace(prefix + name, parameter).first->second.block = block;
    }
  }
  for (const auto& child : module.named_children()) {
    collect(*child.value(), prefix + child.key() + ".", block, parameters);
  }
}

// Uniform numbers in [-bound, bound): those of the elements of the logical tensor that `parameter` holds.
void fill_part(const at::Tensor& parameter, const ShardSpec& shard, double bound, PhiloxKey key) {
  at::Tensor values = at::empty(parameter.sizes(), at::kFloat);
  float* data = values.mutable_data_ptr<float>();
  const auto limit = static_cast<float>(bound);
  at::parallel_for(0, values.numel(), 1 << 16, [&](std::int64_t begin, std::int64_t end) {
    for (const Run& run : runs_of(shard, begin, end)) {
      kernels::fill_uniform(data + run.local, run.count, run.logical, -limit, limit, key);
    }
  });
  parameter.copy_(values);
}

}  // namespace

at::Tensor ParameterModule::register_weight(const std::string& name, Role role, ShardSpec shard) {
  return add(name, {std::move(shard), role});
}

at::Tensor ParameterModule::register_bias(const std::string& name, Role role, ShardSpec shard) {
  return add(name, {std::move(shard), role, /*bias=*/true});
}

at::Tensor ParameterModule::add(const std::string& name, ParameterSpec parameter) {
  const std::vector<std::int64_t> none{0};
  at::Tensor values = register_parameter(name, at::empty(gives_memory ? parameter.shard.local_shape() : none));
  specs_.emplace(name, std::move(parameter));
  return values;
}

OnMetaDevice::OnMetaDevice() { gives_memory = false; }
OnMetaDevice::~OnMetaDevice() { gives_memory = true; }

std::map<std::string, ParameterSpec> parameter_specs(const torch::nn::Module& module) {
  std::map<std::string, ParameterSpec> parameters;
  collect(module, "", "", parameters);
  for (const auto& item : module.named_parameters()) {
    parameters.emplace(item.key(), ParameterSpec{unsharded_spec(item.value().sizes().vec()), Role::kMatrix,
                                                 /*bias=*/item.value().dim() == 1});
  }
  return parameters;
}

std::int64_t logical_size(const ShardSpec& shard) {
  std::int64_t size = 1;
  for (const std::int64_t length : shard.logical_shape) size *= length;
  return size;
}

void initialize_parameter(const std::string& name, const at::Tensor& parameter, const ParameterSpec& spec,
                          std::uint64_t seed) {
  const at::NoGradGuard no_grad;
  if (spec.bias || spec.role == Role::kNorm) {
    parameter.fill_(spec.bias ? 0.0 : 1.0);
    return;
  }
  const ShardSpec& shard = spec.shard;
  const std::size_t dims = shard.logical_shape.size();
  const auto fan_out = static_cast<double>(shard.logical_shape[dims - 2]);
  const auto fan_in = static_cast<double>(shard.logical_shape[dims - 1]);
  // A uniform number of variance 1 / hidden has the bound sqrt(3 / hidden).
  const bool is_embedding = spec.role == Role::kEmbedding;
  const double bound = is_embedding ? std::sqrt(3.0 / fan_in) : std::sqrt(6.0 / (fan_in + fan_out));
  fill_part(parameter, shard, bound, RandomStream(seed, fnv1a(name)).key());
}

void initialize(torch::nn::Module& module, std::uint64_t seed) {
  const std::map<std::string, ParameterSpec> specs = parameter_specs(module);
  for (auto& item : module.named_parameters()) {
    initialize_parameter(item.key(), item.value(), specs.at(item.key()), seed);
  }
}

}  // namespace polymoe
