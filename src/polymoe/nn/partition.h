#pragma once

#include <cstdint>
#include <memory>

#include "polymoe/nn/block_runner.h"
#include "polymoe/nn/model_axis.h"

namespace polymoe {

class Dispatcher;

/// A LocalDispatcher.
std::shared_ptr<Dispatcher> make_local_dispatcher();

/// The part of a model that this process holds and computes. By default all of it.
struct Partition {
  std::shared_ptr<ModelAxis> model_axis = std::make_shared<ModelAxis>();
  std::shared_ptr<Dispatcher> dispatcher = make_local_dispatcher();
  std::int64_t expert_rank = 0;   ///< experts are cut into `expert_parts` equal runs; this process holds one
  std::int64_t expert_parts = 1;  ///< divides the number of experts
  bool slice_experts = true;      ///< whether experts are cut along the model axis too
  std::shared_ptr<BlockRunner> runner = std::make_shared<BlockRunner>();
};

}  // namespace polymoe
