#include "polymoe/parallel/layout.h"

#include <utility>

#include "polymoe/base/error.h"
#include "polymoe/config/moe_layers.h"
#include "polymoe/config/parallel_options.h"

namespace polymoe {
namespace {

void check_divides(const char* what, std::int64_t count, const char* key, std::int64_t degree) {
  if (count % degree == 0) return;
  throw Error(fmt::format("{}: the model's {} {} are not divisible by {}", key, count, what, degree), {},
              "choose a degree that divides them");
}

}  // namespace

Degrees resolve_degrees(const ParallelOptions& options, const ModelOptions& model, std::int64_t world) {
  Degrees degrees{options.data, options.expert, options.tensor};
  const std::int64_t others = degrees.expert * degrees.tensor;
  if (degrees.data == 0) {
    if (world % others != 0) {
      throw Error(fmt::format("parallel.expert x parallel.tensor = {} x {} does not divide the {} processes",
                              degrees.expert, degrees.tensor, world),
                  {}, "start a multiple of them or change the degrees");
    }
    degrees.data = world / others;
  }
  if (degrees.world() != world) {
    throw Error(fmt::format("parallel.data x parallel.expert x parallel.tensor = {} x {} x {} = {}, but there are {} "
                            "processes",
                            degrees.data, degrees.expert, degrees.tensor, degrees.world(), world),
                {}, fmt::format("start {} processes or change the degrees", degrees.world()));
  }
  if (degrees.expert > 1) {
    if (model.moe.experts == 0)
      fail("parallel.expert: {}, but the model has no experts (model.moe.experts = 0)", degrees.expert);
    for (const MoeLayerSize& layer : moe_layers(model)) {
      const bool uniform = model.moe.experts_per_layer.empty();
      check_divides(uniform ? "experts (model.moe.experts)" : "experts of a layer (model.moe.experts-per-layer)",
                    layer.experts, "parallel.expert", degrees.expert);
    }
  }
  if (degrees.tensor > 1) {
    check_divides("attention heads (model.heads)", model.heads, "parallel.tensor", degrees.tensor);
    check_divides("columns of the feed-forward block (model.ffn)", model.ffn, "parallel.tensor", degrees.tensor);
  }
  return degrees;
}

ParallelLayout::ParallelLayout(const ParallelOptions& options, const ModelOptions& model, Communicator& world,
                               const DeviceGroup& device_group)
    : world_(world) {
  run_collectively(world, [&] { degrees_ = resolve_degrees(options, model, world.size()); });
  const std::int64_t rank = world.rank(), experts = degrees_.expert, slices = degrees_.tensor;
  tensor_rank_ = rank % slices;
  expert_rank_ = rank / slices % experts;
  data_rank_ = rank / slices / experts;
  const bool slice_experts = options.expert_slicing == ExpertSlicing::kSliced;

  // The members of a group are the ranks that agree with this one on the given axes, in the order of ranks.
  const auto group = [&](const char* name, bool same_data, bool same_expert,
                         bool same_model) -> std::unique_ptr<Communicator> {
    std::vector<int> members;
    for (std::int64_t other = 0; other < degrees_.world(); ++other) {
      const bool agrees = (!same_data || other / slices / experts == data_rank_) &&
                          (!same_expert || other / slices % experts == expert_rank_) &&
                          (!same_model || other % slices == tensor_rank_);
      if (agrees) members.push_back(static_cast<int>(other));
    }
    std::unique_ptr<Communicator> made = world.make_group(name, members);
    if (!device_group) return made;
    host_groups_.push_back(std::move(made));
    return device_group(*host_groups_.back());
  };
  tensor_ = group("tensor", true, true, false);
  expert_ = group("expert", true, false, true);
  dense_ = group("dense", false, false, true);
  expert_data_ = group("expert-data", false, true, slice_experts);
}

}  // namespace polymoe
