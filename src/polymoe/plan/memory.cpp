#include "polymoe/plan/memory.h"

#include <algorithm>
#include <deque>

#include "polymoe/config/run_options.h"
#include "polymoe/optim/unit_buffers.h"
#include "polymoe/parallel/parallel_model.h"
#include "polymoe/plan/activations.h"
#include "polymoe/tensor/torch_headers.h"

namespace polymoe {
namespace {

std::int64_t element_size(const ParameterUnit& unit) {
  return static_cast<std::int64_t>(unit.parameters.front().parameter.element_size());
}

std::int64_t values_bytes(const ParameterUnit& unit) { return unit.size * element_size(unit); }

// The largest parameter; of a block's parameters backward makes one gradient at a time.
std::int64_t largest_gradient(const BlockShape& block) {
  std::int64_t most = 0;
  for (const ParameterUnit& unit : block.units) {
    std::int64_t experts = 0;
    for (const FlatParameter& parameter : unit.parameters) {
      most = std::max(most, parameter.size * element_size(unit));
      experts += parameter.size * element_size(unit);
    }
    if (unit.experts) most = std::max(most, experts);  // those of experts come together
  }
  return most;
}

// Gradients of lower precision stay until the block's backward is through.
std::int64_t narrow_gradients(const BlockShape& block) {
  std::int64_t bytes = 0;
  for (const ParameterUnit& unit : block.units) {
    if (element_size(unit) < kFloat) bytes += values_bytes(unit);
  }
  return bytes;
}

std::int64_t gradients_on_the_way(const BlockShape& block) {
  return std::max(largest_gradient(block), narrow_gradients(block));
}

class Walk {
 public:
  Walk(const RunOptions& options, const Degrees& degrees, const ModelShape& shape)
      : options_(options),
        copies_(sharding_of(options.parallel, degrees)),
        tiers_(make_tiers(options, copies_)),
        shape_(shape),
        activations_(options, degrees) {}

  MemoryPlan peak() {
    count_state();
    through_forward();
    through_loss();
    through_backward();
    return plan_;
  }

 private:
  void add(Tier tier, std::int64_t bytes, std::int64_t& on_device) {
    if (tier == Tier::kDevice) on_device += bytes;
    if (tier == Tier::kHost) plan_.host += bytes;
    if (tier == Tier::kFile) plan_.disk += bytes;
  }

  void count_state() {
    count_block(shape_.outside);
    for (const BlockShape& block : shape_.blocks) count_block(block);
    plan_.host += kUnitsInWindow * largest_in_files_;
    plan_.host_in_update = largest_in_files_;
    if (options_.offload.activations != Tier::kDevice) {
      plan_.host_activations = static_cast<std::int64_t>(shape_.blocks.size()) * activations_.block_input();
    }
  }

  std::vector<UnitBuffer> buffers_of_unit(const ParameterUnit& unit) const {
    return buffers_of(unit, tiers_, options_.train.device != DeviceKind::kCpu);
  }

  std::int64_t& on_device(MemoryKind kind) {
    if (kind == MemoryKind::kParameters) return plan_.weights;
    return kind == MemoryKind::kGradients ? plan_.gradients : plan_.optimizer;
  }

  void count_block(const BlockShape& block) {
    for (const ParameterUnit& unit : block.units) {
      const std::int64_t disk_before = plan_.disk;
      for (const UnitBuffer& buffer : buffers_of_unit(unit)) {
        if (!buffer.for_work) add(buffer.tier, bytes_of(buffer, unit), on_device(buffer.kind));
      }
      largest_in_files_ = std::max(largest_in_files_, plan_.disk - disk_before);
    }
  }

  // Bytes of a block's buffers that have memory only while it computes.
  std::int64_t for_work(const BlockShape& block, BufferKind use) const {
    std::int64_t bytes = 0;
    for (const ParameterUnit& unit : block.units) {
      for (const UnitBuffer& buffer : buffers_of_unit(unit)) {
        if (buffer.for_work && buffer.use == use) bytes += bytes_of(buffer, unit);
      }
    }
    return bytes;
  }
  std::int64_t gathered(const BlockShape& block) const { return for_work(block, BufferKind::kValues); }
  std::int64_t gradient_buffers(const BlockShape& block) const { return for_work(block, BufferKind::kGradients); }
  // The next block's parameters come early from other copies, but not from files.
  std::int64_t prefetched(std::size_t block) const {
    return tiers_.parameters == Tier::kFile ? 0 : gathered(shape_.blocks[block]);
  }

  void consider(std::int64_t activations, std::int64_t buffers) {
    if (activations + buffers <= plan_.activations + plan_.buffers) return;
    plan_.activations = activations;
    plan_.buffers = buffers;
  }

  std::int64_t kept(const BlockShape& block) const {
    if (!options_.parallel.recompute) return activations_.kept(block.decoder, block.experts);
    const bool input_on_host = options_.offload.activations != Tier::kDevice;
    return activations_.routing(block.experts) + (input_on_host ? 0 : activations_.block_input());
  }

  void through_forward() {
    always_ = gathered(shape_.outside) + gradient_buffers(shape_.outside);
    held_ = activations_.outside();
    for (std::size_t i = 0; i < shape_.blocks.size(); ++i) {
      const BlockShape& block = shape_.blocks[i];
      std::int64_t buffers = always_ + gathered(block) + activations_.exchanged(block.experts);
      if (i + 1 < shape_.blocks.size()) buffers += prefetched(i + 1);
      held_ += kept(block);
      consider(held_ + activations_.forward_work(block.experts), buffers);
    }
  }

  void through_loss() {
    consider(held_ + activations_.loss_forward(), always_);
    consider(held_ + activations_.loss_backward(), always_);
  }

  void through_backward() {
    for (std::size_t i = shape_.blocks.size(); i-- > 0;) {
      const BlockShape& block = shape_.blocks[i];
      std::int64_t buffers = always_ + gathered(block) + gradient_buffers(block) + reducing() +
                             gradients_on_the_way(block) + activations_.exchanged(block.experts);
      if (i > 0) buffers += prefetched(i - 1);
      std::int64_t work = activations_.backward_work(block.experts);
      if (options_.parallel.recompute) work += activations_.kept(block.decoder, block.experts);
      consider(held_ + work, buffers);
      held_ -= kept(block);
      for (const ParameterUnit& unit : block.units) start_reduction(unit);
    }
    // The embedding's gradient is as large as the embedding.
    consider(held_, always_ + reducing() + gradients_on_the_way(shape_.outside));
  }

  // Some units at a time are on their way to the other copies. The other copies' versions of the own
  // part arrive before they are summed (comm/point_to_point.cpp).
  void start_reduction(const ParameterUnit& unit) {
    const std::int64_t copies = unit.experts ? copies_.expert_shards : copies_.dense_shards;
    if (copies == 1) return;
    const std::int64_t part = unit.size / copies * kFloat;
    const std::int64_t target = unit.stage >= 1 ? part : 0;
    reducing_.push_back((copies - 1) * part + target + (unit.stage >= 2 ? unit.size * kFloat : 0));
    if (reducing_.size() > ParameterSync::kReductionsAtATime) reducing_.pop_front();
  }
  std::int64_t reducing() const {
    std::int64_t bytes = 0;
    for (const std::int64_t unit : reducing_) bytes += unit;
    return bytes;
  }

  const RunOptions& options_;
  Sharding copies_;
  Tiers tiers_;
  const ModelShape& shape_;
  Activations activations_;
  MemoryPlan plan_;
  std::int64_t largest_in_files_ = 0;
  std::int64_t always_ = 0;  // buffers that are there through the micro-batch
  std::int64_t held_ = 0;    // activations that wait for backward
  std::deque<std::int64_t> reducing_;
};

}  // namespace

MemoryPlan plan_memory(const RunOptions& options, const Degrees& degrees, const ModelShape& shape) {
  return Walk(options, degrees, shape).peak();
}

MemoryPlan plan_memory(const RunOptions& options, const Degrees& degrees) {
  return plan_memory(options, degrees, model_shape(options, degrees));
}

}  // namespace polymoe
