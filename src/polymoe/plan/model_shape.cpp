#include "polymoe/plan/model_shape.h"

#include <memory>

#include "polymoe/config/run_options.h"
#include "polymoe/parallel/parallel_model.h"
#include "polymoe/parallel/parameter_sync.h"
#include "polymoe/tensor/torch_headers.h"

namespace polymoe {
namespace {

// A slice of so many, of which no other is there.
class LoneAxis : public ModelAxis {
 public:
  explicit LoneAxis(std::int64_t size) : size_(size) {}
  std::int64_t size() const override { return size_; }

 private:
  std::int64_t size_;
};

}  // namespace

ModelShape model_shape(const RunOptions& options, const Degrees& degrees) {
  Partition partition;
  if (degrees.tensor > 1) partition.model_axis = std::make_shared<LoneAxis>(degrees.tensor);
  partition.slice_experts = options.parallel.expert_slicing == ExpertSlicing::kSliced;
  partition.expert_parts = degrees.expert;
  const Model model = make_model(options, partition);

  ModelShape shape;
  const ParameterCount count = count_parameters(*model);
  shape.parameters = count.total;
  shape.active = count.active;
  const Sharding copies = sharding_of(options.parallel, degrees);
  for (ParameterUnit& unit : make_units(*model, copies, make_tiers(options, copies))) {
    for (const FlatParameter& parameter : unit.parameters) shape.local += parameter.size;
    BlockShape* block = &shape.outside;
    if (unit.in_block) {
      if (shape.blocks.empty() || shape.blocks.back().name != unit.name) shape.blocks.emplace_back();
      block = &shape.blocks.back();
    }
    block->name = unit.name;
    block->decoder = static_cast<std::int64_t>(shape.blocks.size()) > options.model.encoder_layers;
    if (unit.experts) block->experts = unit.parameters.front().spec.shard.logical_shape.front();
    block->units.push_back(std::move(unit));
  }
  return shape;
}

}  // namespace polymoe
