#include "polymoe/optim/parameter_store.h"

#include <algorithm>
#include <map>
#include <utility>

#include "polymoe/base/error.h"
#include "polymoe/kernels/cuda/collect.h"
#include "polymoe/nn/parameter_module.h"
#include "polymoe/optim/unit_buffers.h"
#include "polymoe/tensor/gpu.h"
#include "polymoe/tensor/pinned_memory.h"
#include "polymoe/tensor/torch_headers.h"

namespace polymoe {
namespace {

std::int64_t round_up(std::int64_t count, std::int64_t multiple) {
  return (count + multiple - 1) / multiple * multiple;
}

void lay_out(ParameterUnit& unit) {
  for (FlatParameter& p : unit.parameters) {
    p.offset = unit.size;
    unit.size += round_up(p.size, kParameterAlignment);
  }
  unit.size = round_up(unit.size, kParameterAlignment * unit.shards);
}

at::Tensor own_part(const ParameterUnit& unit, const at::Tensor& buffer) {
  return buffer.narrow(0, unit.shard * unit.shard_size(), unit.shard_size());
}

// The buffers that an update sweeps together begin at different places of a page, 17 cache lines apart, in the order of
// BufferKind. Where they lay at the same place, and a power of two apart, the sweep of 2^25 parameters took 1.4 times
// as long. Own values are no part of it where values are.
std::int64_t first_element(BufferKind use) {
  constexpr std::int64_t kLinesApart = 17;
  const std::int64_t line = use == BufferKind::kOwnValues ? 0 : static_cast<std::int64_t>(use);
  return kLinesApart * kParameterAlignment * line;
}

// In host memory pinned, so that a GPU moves it while it computes. `options`: of the unit's parameters.
at::Tensor zeros_for(const UnitBuffer& buffer, const at::TensorOptions& options) {
  const MemoryScope scope(buffer.kind, buffer.tier != Tier::kDevice);
  const at::TensorOptions own = buffer.wide ? options.dtype(at::kFloat) : options;
  const std::int64_t skipped = first_element(buffer.use), size = skipped + buffer.size;
  const bool pinned = buffer.tier == Tier::kHost && !own.device().is_cpu();
  const at::Tensor all = pinned ? pinned_zeros({size}, c10::typeMetaToScalarType(own.dtype()))
                                : at::zeros({size}, buffer.tier == Tier::kDevice ? own : own.device(at::kCPU));
  return all.narrow(0, skipped, buffer.size);
}

at::Tensor& place_of(BufferKind use, ParameterUnit& unit) {
  switch (use) {
    case BufferKind::kValues:
      return unit.values;
    case BufferKind::kGradients:
      return unit.gradients;
    case BufferKind::kOwnValues:
      return unit.own_values;
    case BufferKind::kFirstMoments:
      return unit.first_moments;
    case BufferKind::kSecondMoments:
      return unit.second_moments;
    case BufferKind::kMaster:
      return unit.master;
    case BufferKind::kOwnGradients:
      return unit.own_gradients;
    case BufferKind::kLateGradients:
      return unit.late_gradients;
    case BufferKind::kAverages:
      return unit.averages;
  }
  fail("a unit has no buffer of number {}", static_cast<int>(use));
}

bool is_on_gpu(const ParameterUnit& unit) { return !unit.parameters.front().parameter.device().is_cpu(); }

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

// sum = gradient, or with `add` sum += gradient.
void add_to(at::Tensor& sum, const at::Tensor& gradient, bool add) {
  const bool widens = sum.scalar_type() == at::kFloat && gradient.scalar_type() == at::kBFloat16;
  if constexpr (kernels::cuda::kBuilt) {
    if (has_gpu_kernel(sum) && widens && gradient.is_contiguous()) {
      kernels::cuda::collect(elements<kernels::BFloat16>(gradient), sum.mutable_data_ptr<float>(), add, sum.numel(),
                             gpu_stream(sum));
      return;
    }
  }
  add ? sum.add_(gradient) : sum.copy_(gradient);
}

}  // namespace

at::Tensor view_in(const at::Tensor& buffer, const FlatParameter& parameter) {
  return buffer.narrow(0, parameter.offset, parameter.size).view(parameter.spec.shard.local_shape());
}

std::vector<ParameterUnit> make_units(const torch::nn::Module& module, const Sharding& sharding, const Tiers& tiers) {
  const std::map<std::string, ParameterSpec> all = parameter_specs(module);
  const bool moves_parameters = sharding.stage >= 3 && tiers.parameters != Tier::kDevice;
  const bool moves_gradients = sharding.stage >= 2 && tiers.gradients != Tier::kDevice;
  const std::int64_t stage_alone = moves_parameters ? 3 : moves_gradients ? 2 : 0;
  std::vector<ParameterUnit> units;
  std::map<std::string, std::size_t> places;
  for (const auto& item : module.named_parameters()) {
    const ParameterSpec& spec = all.at(item.key());
    const bool experts = spec.role == Role::kExpert;
    const std::string name = spec.block.empty() ? kOutsideBlocks : spec.block;
    const std::string key = fmt::format("{} {} {}", name, experts, c10::toString(item.value().scalar_type()));
    const auto [place, is_new] = places.emplace(key, units.size());
    if (is_new) {
      ParameterUnit& unit = units.emplace_back();
      unit.name = name;
      unit.in_block = !spec.block.empty();
      unit.experts = experts;
      if (sharding.stage > 0) {
        unit.shards = experts ? sharding.expert_shards : sharding.dense_shards;
        unit.shard = experts ? sharding.expert_shard : sharding.dense_shard;
        unit.stage = unit.shards > 1 ? sharding.stage : stage_alone;
      }
    }
    units[place->second].parameters.push_back(
        {item.key(), item.value(), spec, 0, c10::multiply_integers(spec.shard.local_shape())});
  }
  for (ParameterUnit& unit : units) lay_out(unit);
  return units;
}

void ParameterStore::allocate(ParameterUnit& unit, const Tiers& tiers) const {
  const at::TensorOptions options = unit.parameters.front().parameter.options().requires_grad(false);
  for (const UnitBuffer& buffer : buffers_of(unit, tiers, is_on_gpu(unit))) {
    place_of(buffer.use, unit) = zeros_for(buffer, options);
  }
  if (!unit.own_values.defined()) unit.own_values = own_part(unit, unit.values);
  if (!unit.master.defined()) unit.master = unit.own_values;
  if (!unit.own_gradients.defined()) unit.own_gradients = unit.gradients;
}

std::int64_t ParameterStore::move_to_files(ParameterUnit& unit, const Tiers& tiers) {
  std::int64_t bytes = 0;
  for (const UnitBuffer& buffer : buffers_of(unit, tiers, is_on_gpu(unit))) {
    if (buffer.tier != Tier::kFile) continue;
    bytes += bytes_of(buffer, unit);
    files_->take_in(place_of(buffer.use, unit));
  }
  return bytes;
}

ParameterStore::ParameterStore(torch::nn::Module& module, const Sharding& sharding, const Tiers& tiers,
                               const Initializer& initialize)
    : units_(make_units(module, sharding, tiers)), sharding_(sharding) {
  const at::NoGradGuard no_grad;
  for (const Tier tier : {tiers.optimizer, tiers.gradients, tiers.parameters}) {
    if (tier == Tier::kFile && files_ == nullptr) files_ = std::make_unique<FileTier>(tiers.folder);
  }
  std::int64_t largest = 0;
  for (ParameterUnit& unit : units_) {
    allocate(unit, tiers);
    take_over(unit, initialize);
    if (unit.stage >= 3) unit.own_values.copy_(own_part(unit, unit.values));
    if (!unit.master.is_same(unit.own_values)) unit.master.copy_(unit.own_values);
    if (unit.averages.defined()) unit.averages.copy_(unit.master);
    if (unit.stage >= 3) free_memory(unit.values);
    if (unit.stage >= 2) free_memory(unit.gradients);
    largest = std::max(largest, move_to_files(unit, tiers));
  }
  if (files_ != nullptr) files_->widen_window(kUnitsInWindow * largest);
}

StoreBytes ParameterStore::bytes() const {
  StoreBytes bytes;
  for (const ParameterUnit& unit : units_) {
    bytes.values += memory_of(unit.values) + (unit.stage >= 3 ? memory_of(unit.own_values) : 0);
    bytes.gradients += memory_of(unit.gradients) + (unit.stage >= 1 ? memory_of(unit.own_gradients) : 0);
    if (unit.late_gradients.defined()) bytes.gradients += memory_of(unit.late_gradients);
    bytes.master += unit.master.is_same(unit.own_values) ? 0 : memory_of(unit.master);
    bytes.moments += memory_of(unit.first_moments) + memory_of(unit.second_moments);
    if (unit.averages.defined()) bytes.moments += memory_of(unit.averages);
  }
  if (files_ != nullptr) bytes.files = files_->bytes();
  return bytes;
}

void ParameterStore::clear_gradients(ParameterUnit& unit) {
  if (unit.values.scalar_type() == at::kFloat) {
    unit.gradients.zero_();
    return;
  }
  // What is collected next takes the place of what is there: that saves a pass over the buffer.
  unit.gradients_are_stale = true;
}

void ParameterStore::zero_gradients() {
  for (ParameterUnit& unit : units_) {
    if (has_memory(unit.gradients)) clear_gradients(unit);
    if (unit.stage == 0) continue;
    if (files_ != nullptr && files_->has(unit.own_gradients)) {
      files_->clear(unit.own_gradients);
    } else {
      unit.own_gradients.zero_();
    }
  }
}

void ParameterStore::collect_gradients(ParameterUnit& unit) {
  const at::NoGradGuard no_grad;
  if (unit.values.scalar_type() == at::kFloat) return;
  if (unit.gradients.scalar_type() != at::kFloat && !unit.gradients_are_stale) {
    fail("the gradients of {} were collected twice in an update that has one micro-batch", unit.name);
  }
  std::int64_t end = 0;  // of the parameter before
  for (FlatParameter& p : unit.parameters) {
    if (unit.gradients_are_stale && p.offset > end) unit.gradients.narrow(0, end, p.offset - end).zero_();
    end = p.offset + p.size;
    at::Tensor sum = view_in(unit.gradients, p);
    const at::Tensor gradient = p.parameter.grad();
    if (!gradient.defined()) {
      if (unit.gradients_are_stale) sum.zero_();
      continue;
    }
    add_to(sum, gradient, !unit.gradients_are_stale);
    p.parameter.mutable_grad().reset();
  }
  if (unit.gradients_are_stale && unit.size > end) unit.gradients.narrow(0, end, unit.size - end).zero_();
  unit.gradients_are_stale = false;
}

void ParameterStore::round_masters() {
  const at::NoGradGuard no_grad;
  for (ParameterUnit& unit : units_) {
    if (unit.master.is_same(unit.own_values)) continue;
    use_buffers(files(), {{unit.master, Access::kRead}, {unit.own_values, Access::kWrite}},
                [&] { unit.own_values.copy_(unit.master); });
  }
}

void ParameterStore::start_averages() {
  const at::NoGradGuard no_grad;
  for (ParameterUnit& unit : units_) {
    if (!unit.averages.defined()) continue;
    use_buffers(files(), {{unit.master, Access::kRead}, {unit.averages, Access::kWrite}},
                [&] { unit.averages.copy_(unit.master); });
  }
}

void ParameterStore::swap_averages() {
  const at::NoGradGuard no_grad;
  for (ParameterUnit& unit : units_) {
    if (!unit.averages.defined()) continue;
    use_buffers(files(), {{unit.master, Access::kWrite}, {unit.averages, Access::kWrite}}, [&] {
      // In pieces: a copy of the whole unit would be memory that no plan has.
      constexpr std::int64_t kPiece = 1 << 20;
      for (std::int64_t begin = 0; begin < unit.master.numel(); begin += kPiece) {
        const std::int64_t size = std::min(kPiece, unit.master.numel() - begin);
        const at::Tensor master = unit.master.narrow(0, begin, size), averages = unit.averages.narrow(0, begin, size);
        const at::Tensor weights = master.clone();
        master.copy_(averages);
        averages.copy_(weights);
      }
    });
  }
  round_masters();
}

}  // namespace polymoe
