#include "polymoe/parallel/parallel_model.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "polymoe/base/error.h"
#include "polymoe/comm/hosts.h"
#include "polymoe/config/run_options.h"
#include "polymoe/nn/parameter_module.h"
#include "polymoe/parallel/expert_dispatcher.h"
#include "polymoe/parallel/gpu_choice.h"
#include "polymoe/parallel/model_axis.h"
#include "polymoe/tensor/device.h"
#include "polymoe/tensor/torch_headers.h"
#ifdef POLYMOE_NCCL
#include "polymoe/comm/nccl/nccl_communicator.h"
#endif

namespace polymoe {
namespace {

// Groups work on the GPUs of their members; a process on its own needs none.
DeviceGroup device_groups(const RunOptions& options, Communicator& world) {
  if (options.train.device != DeviceKind::kCuda || world.size() == 1) return {};
#ifdef POLYMOE_NCCL
  open_device(options.train.device, options.train.deterministic);  // says so where there is no GPU
  const c10::impl::DeviceGuardImplInterface* gpus = c10::impl::getDeviceGuardImpl(c10::DeviceType::CUDA);
  const int gpu = gpu_of(hosts_of(world), world.rank(), gpus->deviceCount());
  gpus->setDevice(at::Device(at::kCUDA, static_cast<c10::DeviceIndex>(gpu)));
  return [time_out = options.parallel.timeout](Communicator& host) {
    return make_nccl_communicator(host, host.name(), std::chrono::duration<double>(time_out));
  };
#else
  fail("train.device: cuda with {} processes needs NCCL, which this build lacks", world.size());
#endif
}

std::unique_ptr<RowAllToAll> make_exchange(const RunOptions& options, const ParallelLayout& layout) {
  Communicator& experts = layout.expert_group();
  if (options.parallel.all_to_all == AllToAll::kFlat) return make_flat_all_to_all(experts);
  const std::vector<int> hosts = hosts_of(layout.world());
  std::vector<int> nodes;
  for (const int rank : experts.world_ranks()) nodes.push_back(hosts[static_cast<std::size_t>(rank)]);
  return make_hierarchical_all_to_all(experts, nodes);
}

// Adds the groups of the exchange to `groups`.
Partition make_partition(const RunOptions& options, const ParallelLayout& layout, std::shared_ptr<BlockRunner> runner,
                         std::vector<Communicator*>& groups) {
  std::unique_ptr<RowAllToAll> exchange = make_exchange(options, layout);
  for (Communicator* group : exchange->own_groups()) groups.push_back(group);
  Partition partition;
  if (layout.degrees().tensor > 1) partition.model_axis = std::make_shared<GroupModelAxis>(layout.tensor_group());
  partition.slice_experts = options.parallel.expert_slicing == ExpertSlicing::kSliced;
  partition.dispatcher = make_dispatcher(layout, partition.slice_experts, options.parallel.exchange_chunks,
                                         std::move(exchange), partition.model_axis);
  partition.expert_rank = layout.expert_rank();
  partition.expert_parts = layout.degrees().expert;
  partition.runner = std::move(runner);
  return partition;
}

Model on_device(Model model, const TrainOptions& options) {
  model->to(open_device(options.device, options.deterministic));
  return model;
}

}  // namespace

Tiers make_tiers(const RunOptions& options, const Sharding& copies) {
  const OffloadOptions& offload = options.offload;
  const bool alone = copies.stage == 0 && copies.dense_shards == 1 && copies.expert_shards == 1;
  Tiers tiers;
  tiers.optimizer = offload.optimizer;
  tiers.gradients = offload.gradients;
  tiers.parameters = offload.parameters;
  tiers.keeps_late_gradients = offload.delayed_update;
  tiers.averages = options.train.ema > 0;
  tiers.narrow_gradients =
      alone && options.train.micro_batches == 1 && offload.optimizer == Tier::kDevice && !offload.delayed_update;
  tiers.folder = offload.folder.empty() ? options.train.output : offload.folder;
  return tiers;
}

Model make_model(const RunOptions& options, const Partition& partition) {
  const OnMetaDevice scope;  // the store gives it, a unit at a time
  Model model = make_model(options.model, partition);
  model->set_precision(scalar_type(options.train.precision));
  return model;
}

ParallelModel::ParallelModel(const RunOptions& options, Communicator& world)
    : layout(options.parallel, options.model, world, device_groups(options, world)),
      groups(layout.groups()),
      runner_(std::make_shared<UnitRunner>(options.parallel.recompute, options.offload.activations == Tier::kHost)),
      model(on_device(make_model(options, make_partition(options, layout, runner_, groups)), options.train)),
      store(*model, make_sharding(options.parallel, layout),
            make_tiers(options, sharding_of(options.parallel, layout.degrees())),
            [seed = static_cast<std::uint64_t>(options.train.seed)](const FlatParameter& p) {
              initialize_parameter(p.name, p.parameter, p.spec, seed);
            }),
      sync(store, layout) {
  runner_->attach(sync);
}

void ParallelModel::swap_averages() {
  if (!store.keeps_averages()) return;
  store.swap_averages();
  sync.all_gather_all();
}

}  // namespace polymoe
