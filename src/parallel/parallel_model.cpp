#include "parallel/parallel_model.h"

#include <unistd.h>

#include <algorithm>
#include <array>

#include "nn/device.h"
#include "nn/placed_module.h"
#include "nn/torch_headers.h"
#include "parallel/expert_dispatcher.h"
#include "parallel/model_axis.h"

namespace polymoe {
namespace {

std::string host_name() {
  std::array<char, 256> name{};
  gethostname(name.data(), name.size() - 1);
  return name.data();
}

// A number for the host of each member of the group.
std::vector<int> nodes_of(Communicator& group) {
  const std::vector<std::string> hosts = all_gather_texts(group, host_name());
  std::vector<int> nodes;
  for (const std::string& host : hosts) {
    nodes.push_back(static_cast<int>(std::find(hosts.begin(), hosts.end(), host) - hosts.begin()));
  }
  return nodes;
}

Partition make_partition(const RunOptions& options, const ParallelLayout& layout, std::shared_ptr<BlockRunner> runner) {
  const bool slice_experts = options.parallel.expert_slicing == "sliced";
  Communicator& experts = layout.expert_group();
  Partition partition;
  if (layout.degrees().model > 1) partition.model_axis = std::make_shared<GroupModelAxis>(layout.model_group());
  auto exchange = options.parallel.all_to_all == "hierarchical"
                      ? make_hierarchical_exchange(experts, nodes_of(experts))
                      : make_flat_exchange(experts);
  partition.dispatcher = make_dispatcher(layout, options.model.moe, slice_experts, std::move(exchange),
                                         partition.model_axis);
  partition.expert_rank = layout.expert_rank();
  partition.expert_parts = layout.degrees().expert;
  partition.slice_experts = slice_experts;
  partition.runner = std::move(runner);
  return partition;
}

EncoderDecoder make_model(const RunOptions& options, const Partition& partition) {
  EncoderDecoder model(options.model, partition);
  model->set_precision(parse_precision(options.train.precision));
  model->to(parse_device(options.train.device));
  return model;
}

}  // namespace

ParallelModel::ParallelModel(const RunOptions& options, Communicator& world)
    : layout(options.parallel, options.model, world),
      runner_(std::make_shared<UnitRunner>(options.parallel.recompute)),
      model(make_model(options, make_partition(options, layout, runner_))),
      store(*model, make_sharding(options.parallel, layout),
            [seed = static_cast<std::uint64_t>(options.train.seed)](const FlatParameter& p) {
              initialize_parameter(p.name, p.parameter, p.placement, seed);
            }),
      sync(store, layout) {
  runner_->attach(sync);
}

}  // namespace polymoe
