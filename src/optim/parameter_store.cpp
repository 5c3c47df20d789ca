#include "optim/parameter_store.h"

#include <map>

#include "nn/placed_module.h"
#include "nn/torch_headers.h"

namespace polymoe {
namespace {

// "encoder.layers.3.moe..." -> "encoder.layers.3"; everything outside layers is one unit.
std::string unit_name(const std::string& parameter) {
  const std::string marker = "layers.";
  const std::size_t at = parameter.find(marker);
  if (at == std::string::npos) return "embeddings";
  return parameter.substr(0, parameter.find('.', at + marker.size()));
}

std::int64_t round_up(std::int64_t count, std::int64_t multiple) {
  return (count + multiple - 1) / multiple * multiple;
}

// Every view starts on a cache line, so that kernels see aligned rows.
constexpr std::int64_t kAlignment = 16;

void lay_out(ParameterUnit& unit) {
  for (FlatParameter& p : unit.parameters) {
    p.offset = unit.size;
    unit.size += round_up(p.size, kAlignment);
  }
  unit.size = round_up(unit.size, kAlignment * unit.shards);
}

at::Tensor own_part(const ParameterUnit& unit, const at::Tensor& buffer) {
  return buffer.narrow(0, unit.shard * unit.shard_size(), unit.shard_size());
}

void allocate(ParameterUnit& unit) {
  const at::TensorOptions values = unit.parameters.front().parameter.options().requires_grad(false);
  const at::TensorOptions wide = values.dtype(at::kFloat);
  unit.values = at::zeros({unit.size}, values);
  unit.gradients = at::zeros({unit.size}, wide);
  unit.own_values = unit.stage >= 3 ? at::empty({unit.shard_size()}, values) : own_part(unit, unit.values);
  unit.master = values.dtype() == wide.dtype() ? unit.own_values : at::empty({unit.shard_size()}, wide);
  unit.own_gradients = unit.stage >= 1 ? at::zeros({unit.shard_size()}, wide) : unit.gradients;
  unit.first_moments = at::zeros({unit.shard_size()}, wide);
  unit.second_moments = at::zeros({unit.shard_size()}, wide);
}

void take_over(ParameterUnit& unit, const ParameterStore::Initializer& initialize) {
  for (FlatParameter& p : unit.parameters) {
    const at::Tensor view = view_in(unit.values, p);
    if (!initialize) view.copy_(p.parameter);
    p.parameter.set_data(view);
    if (initialize) initialize(p);
    if (view.scalar_type() == at::kFloat) p.parameter.mutable_grad() = view_in(unit.gradients, p);
  }
}

std::int64_t memory_of(const at::Tensor& buffer) {
  return has_memory(buffer) ? buffer.numel() * static_cast<std::int64_t>(buffer.element_size()) : 0;
}

}  // namespace

at::Tensor view_in(const at::Tensor& buffer, const FlatParameter& parameter) {
  return buffer.narrow(0, parameter.offset, parameter.size).view(parameter.placement.local_shape());
}

bool has_memory(const at::Tensor& buffer) { return buffer.storage().data() != nullptr; }

void free_memory(const at::Tensor& buffer) {
  buffer.storage().unsafeGetStorageImpl()->set_data_ptr_noswap(c10::DataPtr(nullptr, buffer.device()));
}

void restore_memory(const at::Tensor& buffer) {
  if (has_memory(buffer)) return;
  c10::StorageImpl& storage = *buffer.storage().unsafeGetStorageImpl();
  storage.set_data_ptr_noswap(storage.allocator()->allocate(storage.nbytes()));
}

ParameterStore::ParameterStore(torch::nn::Module& module, const Sharding& sharding, const Initializer& initialize)
    : sharding_(sharding) {
  const at::NoGradGuard no_grad;
  const std::map<std::string, Placement> placements = placements_of(module);
  std::map<std::string, std::size_t> places;
  for (auto& item : module.named_parameters()) {
    const bool experts = item.key().find(".experts.") != std::string::npos;
    const std::string name = unit_name(item.key());
    const std::string key = fmt::format("{} {} {}", name, experts, c10::toString(item.value().scalar_type()));
    const auto [place, is_new] = places.emplace(key, units_.size());
    if (is_new) {
      ParameterUnit& unit = units_.emplace_back();
      unit.name = name;
      unit.experts = experts;
      if (sharding.stage > 0) {
        unit.shards = experts ? sharding.expert_shards : sharding.dense_shards;
        unit.shard = experts ? sharding.expert_shard : sharding.dense_shard;
        unit.stage = unit.shards > 1 ? sharding.stage : 0;
      }
    }
    const Placement& placement = placements.at(item.key());
    units_[place->second].parameters.push_back(
        {item.key(), item.value(), placement, 0, c10::multiply_integers(placement.local_shape())});
  }
  for (ParameterUnit& unit : units_) {
    lay_out(unit);
    allocate(unit);
    take_over(unit, initialize);
    if (unit.stage >= 3) unit.own_values.copy_(own_part(unit, unit.values));
    if (!unit.master.is_same(unit.own_values)) unit.master.copy_(unit.own_values);
    if (unit.stage >= 3) free_memory(unit.values);
    if (unit.stage >= 2) free_memory(unit.gradients);
  }
}

StoreBytes ParameterStore::bytes() const {
  StoreBytes bytes;
  for (const ParameterUnit& unit : units_) {
    bytes.values += memory_of(unit.values) + (unit.stage >= 3 ? memory_of(unit.own_values) : 0);
    bytes.gradients += memory_of(unit.gradients) + (unit.stage >= 1 ? memory_of(unit.own_gradients) : 0);
    bytes.master += unit.master.is_same(unit.own_values) ? 0 : memory_of(unit.master);
    bytes.moments += memory_of(unit.first_moments) + memory_of(unit.second_moments);
  }
  return bytes;
}

void ParameterStore::zero_gradients() {
  for (ParameterUnit& unit : units_) {
    if (has_memory(unit.gradients)) unit.gradients.zero_();
    if (unit.stage >= 1) unit.own_gradients.zero_();
  }
}

void ParameterStore::collect_gradients(ParameterUnit& unit) {
  const at::NoGradGuard no_grad;
  if (unit.values.scalar_type() == at::kFloat) return;
  for (FlatParameter& p : unit.parameters) {
    if (!p.parameter.grad().defined()) continue;
    view_in(unit.gradients, p).add_(p.parameter.grad());
    p.parameter.mutable_grad().reset();
  }
}

void ParameterStore::round_masters() {
  const at::NoGradGuard no_grad;
  for (ParameterUnit& unit : units_) {
    if (!unit.master.is_same(unit.own_values)) unit.own_values.copy_(unit.master);
  }
}

}  // namespace polymoe
