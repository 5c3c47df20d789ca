#include "polymoe/plan/step_time.h"

#include <algorithm>

#include "polymoe/config/planner_options.h"
#include "polymoe/nn/moe/capacity.h"
#include "polymoe/parallel/parallel_model.h"
#include "polymoe/parallel/parameter_sync.h"
#include "polymoe/tensor/torch_headers.h"

namespace polymoe {
namespace {

constexpr double kGiga = 1e9, kTera = 1e12;

class StepModel {
 public:
  StepModel(const PlannerOptions& options, const Degrees& degrees, const ModelShape& shape)
      : o_(options), cluster_(options.cluster), degrees_(degrees), shape_(shape) {
    const std::int64_t batch_ranks = degrees.data * degrees.expert;
    const std::int64_t rounds = (options.train.micro_batches + batch_ranks - 1) / batch_ranks;
    rounds_ = static_cast<double>(rounds);
    tokens_ = static_cast<double>(options.train.max_tokens) / 2;
    element_ = options.train.precision == NumberFormat::kFloat32 ? 4 : 2;
    passes_ = options.parallel.recompute ? 2 : 1;
  }

  StepTime time() const {
    StepTime time;
    const double flops = cluster_.peak_tflops * kTera * cluster_.efficiency;
    const double forward = rounds_ * forward_flops() / flops;
    time.backward = (1.0 + passes_) * forward;
    time.compute = forward + time.backward;
    time.exchange = exchange();
    time.slices = slices();
    time.gradients = gradients();
    time.offload = offload();
    time.update = update();
    return time;
  }

 private:
  // Two for each parameter of a matrix and token; experts by their rows.
  double forward_flops() const {
    double flops = 0.0;
    for (const BlockShape& block : shape_.blocks) {
      for (const ParameterUnit& unit : block.units) {
        const double parameters = static_cast<double>(unit.size);
        if (!unit.experts) {
          flops += 2 * parameters * tokens_;
        } else {
          // Each row of the whole layer goes through one expert; those of a process through its share of them.
          const double here = static_cast<double>(block.experts) / static_cast<double>(degrees_.expert);
          const double slices =
              o_.parallel.expert_slicing == ExpertSlicing::kSliced ? 1.0 : static_cast<double>(degrees_.tensor);
          flops += 2 * parameters / here * rows(block.experts) / slices;
        }
      }
    }
    return flops + 2 * tokens_ * static_cast<double>(o_.model.vocabulary * o_.model.hidden) /
                       static_cast<double>(degrees_.tensor);
  }

  // Of one micro-batch, through a layer of so many experts.
  double rows(std::int64_t experts) const {
    MoeOptions layer = o_.model.moe;
    layer.experts = experts;
    return static_cast<double>(most_slots(layer, static_cast<std::int64_t>(tokens_), /*training=*/true));
  }

  double bandwidth(std::int64_t members, std::int64_t stride) const {
    const std::int64_t span = members * stride;  // of neighbours; a node must hold whole groups
    const bool in_node = span <= cluster_.node_devices && cluster_.node_devices % span == 0;
    return kGiga * (in_node ? cluster_.node_bandwidth : cluster_.network_bandwidth);
  }
  static double others(std::int64_t members) { return static_cast<double>(members - 1) / static_cast<double>(members); }

  double exchange() const {
    if (degrees_.expert == 1) return 0.0;
    double sent = 0;
    for (const BlockShape& block : shape_.blocks) sent += block.experts > 0 ? rows(block.experts) : 0;
    const double bytes = sent / static_cast<double>(degrees_.tensor) * row_bytes() * others(degrees_.expert);
    // There and back, in forward and in backward.
    return rounds_ * 2 * (1 + passes_) * bytes / bandwidth(degrees_.expert, degrees_.tensor);
  }

  double slices() const {
    if (degrees_.tensor == 1) return 0.0;
    double sums = 0;
    for (const BlockShape& block : shape_.blocks) sums += block.decoder ? 3 : 2;
    const double bytes = 2 * tokens_ * row_bytes() * others(degrees_.tensor);
    return rounds_ * sums * (1 + passes_) * bytes / bandwidth(degrees_.tensor, 1);
  }

  template <typename Function>
  double sum_over_units(const Function& f) const {
    double sum = 0.0;
    for (const ParameterUnit& unit : shape_.outside.units) sum += f(unit);
    for (const BlockShape& block : shape_.blocks) {
      for (const ParameterUnit& unit : block.units) sum += f(unit);
    }
    return sum;
  }

  // docs/parallelism.md has the table.
  double gradients() const {
    const Sharding all = sharding_of(o_.parallel, degrees_);
    return sum_over_units([&](const ParameterUnit& unit) {
      const std::int64_t copies = unit.experts ? all.expert_shards : all.dense_shards;
      if (copies == 1) return 0.0;
      const double size = static_cast<double>(unit.size) * others(copies);
      double bytes = 0.0;
      if (unit.stage == 0) bytes = 2 * 4 * size;
      if (unit.stage == 1) bytes = (4 + element_) * size;
      if (unit.stage == 2) bytes = (4 * rounds_ + element_) * size;
      if (unit.stage == 3) bytes = (4 + 2 * element_) * rounds_ * size;
      const std::int64_t stride = unit.experts ? degrees_.expert * degrees_.tensor : degrees_.tensor;
      return bytes / bandwidth(copies, stride);
    });
  }

  double link(Tier tier) const {
    if (tier == Tier::kHost) return kGiga * cluster_.link_bandwidth;
    return kGiga * std::min(cluster_.link_bandwidth, cluster_.disk_bandwidth / processes_of_node(cluster_));
  }

  double offload() const {
    const OffloadOptions& off = o_.offload;
    return sum_over_units([&](const ParameterUnit& unit) {
      const double own = static_cast<double>(unit.shard_size());
      double seconds = 0.0;
      // docs/memory.md has what files read and write.
      const double gradient_moves = off.gradients == Tier::kFile ? 2 * rounds_ - 1 : rounds_;
      if (unit.stage >= 2 && off.gradients != Tier::kDevice) seconds += gradient_moves * 4 * own / link(off.gradients);
      if (unit.stage >= 3 && off.parameters != Tier::kDevice)
        seconds += 2 * rounds_ * element_ * own / link(off.parameters);
      return seconds;
    });
  }

  double update() const {
    const Tier tier = o_.offload.optimizer;
    const bool narrow_gradients = o_.train.precision == NumberFormat::kBFloat16 &&
                                  make_tiers(o_, sharding_of(o_.parallel, degrees_)).narrow_gradients;
    return sum_over_units([&](const ParameterUnit& unit) {
      const double own = static_cast<double>(unit.shard_size());
      // Moments and master weights read and written, the gradient read, the lower precision written.
      const bool narrow = element_ < 4;
      const double bytes =
          own * (24 + (narrow_gradients ? 2 : 4) + (narrow ? element_ : 0) + (o_.train.ema > 0 ? 8 : 0));
      if (tier == Tier::kDevice) return bytes / (kGiga * cluster_.device_bandwidth);
      const double disk = kGiga * cluster_.disk_bandwidth / processes_of_node(cluster_);
      double seconds = bytes / (kGiga * cluster_.host_bandwidth / processes_of_node(cluster_));
      if (tier == Tier::kFile) seconds += own * ((narrow ? 24 : 16) + (o_.train.ema > 0 ? 8 : 0)) / disk;
      if (o_.offload.gradients == Tier::kFile) seconds += own * 8 / disk;  // for the norm, and for the update
      if (o_.offload.parameters == Tier::kFile) seconds += own * element_ / disk;
      if (o_.offload.gradients == Tier::kDevice) seconds += own * 4 / (kGiga * cluster_.link_bandwidth);
      if (o_.offload.parameters == Tier::kDevice) seconds += own * element_ / (kGiga * cluster_.link_bandwidth);
      return seconds;
    });
  }

  double row_bytes() const { return static_cast<double>(o_.model.hidden) * element_; }

  const PlannerOptions& o_;
  const ClusterOptions& cluster_;
  const Degrees& degrees_;
  const ModelShape& shape_;
  double rounds_ = 1, tokens_ = 0, element_ = 4, passes_ = 1;
};

}  // namespace

double processes_of_node(const ClusterOptions& cluster) {
  return static_cast<double>(std::min(cluster.devices, cluster.node_devices));
}

double StepTime::total() const {
  return compute + exchange + slices + offload + update + std::max(0.0, gradients - backward);
}

StepTime plan_step_time(const PlannerOptions& options, const Degrees& degrees, const ModelShape& shape) {
  return StepModel(options, degrees, shape).time();
}

}  // namespace polymoe
