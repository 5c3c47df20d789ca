#include "polymoe/parallel/parameter_sync.h"

#include <algorithm>
#include <cmath>

#include "polymoe/base/error.h"
#include "polymoe/config/parallel_options.h"
#include "polymoe/optim/square_sum.h"
#include "polymoe/tensor/torch_headers.h"

namespace polymoe {
namespace {

// A parameter is cut along the model axis when a dimension other than the stacked experts is.
bool is_sliced(const ParameterUnit& unit, const FlatParameter& parameter) {
  const ShardSpec& shard = parameter.spec.shard;
  const std::vector<std::int64_t> local = shard.local_shape();
  for (std::size_t dim = unit.experts ? 1 : 0; dim < local.size(); ++dim) {
    if (local[dim] != shard.logical_shape[dim]) return true;
  }
  return false;
}

}  // namespace

Sharding sharding_of(const ParallelOptions& options, const Degrees& degrees) {
  const bool whole_experts = options.expert_slicing != ExpertSlicing::kSliced;
  return {options.zero_stage, degrees.data * degrees.expert, 0, degrees.data * (whole_experts ? degrees.tensor : 1), 0};
}

Sharding make_sharding(const ParallelOptions& options, const ParallelLayout& layout) {
  Sharding sharding = sharding_of(options, layout.degrees());
  sharding.dense_shard = layout.dense_group().rank();
  sharding.expert_shard = layout.expert_data_group().rank();
  return sharding;
}

ParameterSync::ParameterSync(ParameterStore& store, const ParallelLayout& layout)
    : store_(store), layout_(layout), stage_(store.sharding().stage) {
  for (ParameterUnit& unit : store.units()) {
    if (unit.in_block && blocks_.count(unit.name) == 0) order_.push_back(unit.name);
    blocks_[unit.name].push_back(&unit);
  }
}

Communicator& ParameterSync::group_of(const ParameterUnit& unit) const {
  return unit.experts ? layout_.expert_data_group() : layout_.dense_group();
}

void ParameterSync::begin_update() { store_.zero_gradients(); }

void ParameterSync::begin_micro_batch(bool last) {
  last_micro_batch_ = last;
  begin_inference();
  before_backward(kOutsideBlocks);
}

void ParameterSync::end_micro_batch() {
  for (ParameterUnit* unit : units_of(kOutsideBlocks)) start_reduction(*unit);
  end_inference();
  finish_reductions(0);
  finish_arrivals(0);
}

void ParameterSync::begin_inference() {
  if (stage_ < 3) return;
  start_gather(kOutsideBlocks);
  finish_gather(kOutsideBlocks);
}

void ParameterSync::end_inference() {
  // A block that was on its way and not needed after all must not be taken for a later state of its parameters.
  while (!gathers_.empty()) {
    const std::string block = gathers_.begin()->first;
    finish_gather(block);
    release(block);
  }
  release(kOutsideBlocks);
}

// Forward goes through the blocks in order, backward in reverse; the neighbour is what comes next.
void ParameterSync::before_forward(const std::string& block) {
  if (stage_ < 3) return;
  start_gather(block);
  finish_gather(block);
  const auto at = std::find(order_.begin(), order_.end(), block);
  if (at + 1 != order_.end()) prefetch(*(at + 1));
}

void ParameterSync::after_forward(const std::string& block) { release(block); }

void ParameterSync::before_backward(const std::string& block) {
  if (block != kOutsideBlocks) {
    // Gradients that arrived outside these two calls would be lost without a word.
    if (!in_backward_.empty()) fail("the backward of {} began before that of {} ended", block, in_backward_);
    in_backward_ = block;
  }
  for (ParameterUnit* unit : units_of(block)) {
    if (unit->stage < 2) continue;
    restore_memory(unit->gradients, MemoryKind::kGradients);
    ParameterStore::clear_gradients(*unit);
  }
  if (stage_ < 3 || block == kOutsideBlocks) return;
  start_gather(block);
  finish_gather(block);
  const auto at = std::find(order_.begin(), order_.end(), block);
  if (at != order_.begin()) prefetch(*(at - 1));
}

void ParameterSync::after_backward(const std::string& block) {
  if (in_backward_ != block) fail("the backward of {} ended before it began", block);
  in_backward_.clear();
  for (ParameterUnit* unit : units_of(block)) start_reduction(*unit);
  release(block);
}

// The next block's parameters are on the way while this one computes: from the other copies, or first from their file.
void ParameterSync::prefetch(const std::string& block) {
  FileTier* files = store_.files();
  bool from_files = false;
  for (const ParameterUnit* unit : units_of(block)) {
    if (files == nullptr || !files->has(unit->own_values)) continue;
    files->prefetch(unit->own_values);
    from_files = true;
  }
  if (!from_files) start_gather(block);
}

void ParameterSync::start_gather(const std::string& block) {
  if (gathers_.count(block) > 0) return;
  std::vector<Gather>& gathers = gathers_[block];
  for (ParameterUnit* unit : units_of(block)) {
    if (has_memory(unit->values)) continue;
    restore_memory(unit->values, MemoryKind::kParameters);
    if (store_.files() != nullptr) store_.files()->acquire(unit->own_values);
    at::Tensor own = unit->own_values;
    // Pinned values stay as they are until the next update; those of a file give their memory to others soon.
    if (own.device() != unit->values.device()) {
      own = own.to(unit->values.device(), /*non_blocking=*/own.is_pinned());
    }
    Pending pending = group_of(*unit).start_all_gather(own, unit->values.variable_data());
    gathers.push_back({unit, own, std::move(pending)});
  }
}

void ParameterSync::finish_gather(const std::string& block) {
  const auto found = gathers_.find(block);
  for (Gather& gather : found->second) {
    gather.pending->wait();
    if (store_.files() != nullptr) store_.files()->release(gather.unit->own_values, /*changed=*/false);
  }
  gathers_.erase(found);
}

void ParameterSync::release(const std::string& block) {
  for (ParameterUnit* unit : units_of(block)) {
    if (unit->stage >= 3) free_memory(unit->values);
  }
}

void ParameterSync::start_reduction(ParameterUnit& unit) {
  ParameterStore::collect_gradients(unit);
  if (unit.stage < 2 && !last_micro_batch_) return;
  Communicator& group = group_of(unit);
  if (unit.stage >= 2 && group.size() == 1) {
    add_to_own(unit, unit.gradients);
    free_memory(unit.gradients);
    return;
  }
  finish_reductions(kReductionsAtATime - 1);
  Reduction reduction{&unit, {}, nullptr};
  if (unit.stage == 0) {
    if (group.size() > 1) reduction.pending = group.start_all_reduce(unit.gradients);
  } else {
    const MemoryScope scope(MemoryKind::kGradients);
    reduction.target = at::empty({unit.shard_size()}, unit.gradients.options());
    reduction.pending = group.start_reduce_scatter(unit.gradients, reduction.target);
  }
  reductions_.push_back(std::move(reduction));
}

// Where the own gradients are in other memory, backward goes on while these travel there.
void ParameterSync::add_to_own(ParameterUnit& unit, const at::Tensor& sum) {
  if (sum.device() == unit.own_gradients.device()) {
    use_buffers(store_.files(), {{unit.own_gradients, Access::kWrite}}, [&] { unit.own_gradients.add_(sum); });
    return;
  }
  finish_arrivals(kReductionsAtATime - 1);
  arrivals_.push_back({&unit, HostCopy(sum)});
}

void ParameterSync::finish_arrivals(std::size_t leave) {
  for (; arrivals_.size() > leave; arrivals_.pop_front()) {
    const Arrival& arrival = arrivals_.front();
    const at::Tensor& own = arrival.unit->own_gradients;
    use_buffers(store_.files(), {{own, Access::kWrite}}, [&] { own.add_(arrival.gradients.get()); });
  }
}

void ParameterSync::finish_reductions(std::size_t leave) {
  while (reductions_.size() > leave) {
    Reduction& reduction = reductions_.front();
    if (reduction.pending) reduction.pending->wait();
    if (reduction.target.defined()) add_to_own(*reduction.unit, reduction.target);
    if (reduction.unit->stage >= 2) free_memory(reduction.unit->gradients);
    reductions_.pop_front();
  }
}

std::pair<std::int64_t, std::int64_t> ParameterSync::owned(const ParameterUnit& unit) const {
  if (unit.shards > 1) return {unit.shard * unit.shard_size(), (unit.shard + 1) * unit.shard_size()};
  const Communicator& group = group_of(unit);
  return {unit.size * group.rank() / group.size(), unit.size * (group.rank() + 1) / group.size()};
}

std::pair<std::int64_t, std::int64_t> ParameterSync::owned(const ParameterUnit& unit,
                                                           const FlatParameter& parameter) const {
  // What all slices hold alike is the first slice's. Whole experts are copies of each other along the model axis, so
  // their group has shared them out already.
  const bool copied_in_group = unit.experts && layout_.expert_data_group().size() > layout_.degrees().data;
  if (layout_.tensor_rank() > 0 && !copied_in_group && !is_sliced(unit, parameter)) return {0, 0};
  const auto [begin, end] = owned(unit);
  const std::int64_t first = std::clamp<std::int64_t>(begin - parameter.offset, 0, parameter.size);
  const std::int64_t last = std::clamp<std::int64_t>(end - parameter.offset, 0, parameter.size);
  return {first, last};
}

std::vector<std::pair<std::int64_t, std::int64_t>> ParameterSync::owned_ranges(const ParameterUnit& unit) const {
  std::vector<std::pair<std::int64_t, std::int64_t>> ranges;
  for (const FlatParameter& parameter : unit.parameters) {
    const auto [first, last] = owned(unit, parameter);
    if (first == last) continue;
    const std::int64_t begin = parameter.offset + first, end = parameter.offset + last;
    // Less than a parameter's room between them is padding, whose gradient is zero.
    if (!ranges.empty() && begin - ranges.back().second < kParameterAlignment) {
      ranges.back().second = end;
    } else {
      ranges.emplace_back(begin, end);
    }
  }
  return ranges;
}

double ParameterSync::gradient_norm() {
  SquareSum squares;
  for (const ParameterUnit& unit : store_.units()) {
    if (unit.gradients_are_stale) fail("the gradients of {} were not collected in this update", unit.name);
    const std::int64_t start = unit.shard * unit.shard_size();
    use_buffers(store_.files(), {{unit.own_gradients, Access::kRead}}, [&] {
      for (const auto& [begin, end] : owned_ranges(unit)) {
        squares.add(unit.own_gradients.narrow(0, begin - start, end - begin));
      }
    });
  }
  const at::Tensor total = at::full({1}, squares.total(), at::kDouble);
  layout_.world().all_reduce(total);
  return std::sqrt(total.item<double>());
}

void ParameterSync::all_gather(const ParameterUnit& unit) {
  if (unit.stage != 1 && unit.stage != 2) return;
  all_gathers_.push_back(group_of(unit).start_all_gather(unit.own_values, unit.values.variable_data()));
  if (all_gathers_.size() < kReductionsAtATime) return;
  all_gathers_.front()->wait();
  all_gathers_.pop_front();
}

void ParameterSync::all_gather_all() {
  for (const ParameterUnit& unit : store_.units()) all_gather(unit);
  end_all_gathers();
}

void ParameterSync::end_all_gathers() {
  for (; !all_gathers_.empty(); all_gathers_.pop_front()) all_gathers_.front()->wait();
}

}  // namespace polymoe
