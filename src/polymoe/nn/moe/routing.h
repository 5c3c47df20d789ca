#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include <ATen/core/Tensor.h>

#include "polymoe/kernels/cpu/routing.h"
#include "polymoe/nn/moe/assignments.h"

namespace polymoe {

/// How many assignments an expert takes from a micro-batch, and which.
struct ExpertLimit {
  std::int64_t capacity = 0;          ///< the most; 0 for all
  kernels::TokenSelection selection;  ///< which ones stay
  /// The capacity for the largest of the micro-batches that meet at the experts, where several processes' do:
  /// ForwardContext::exchange_tokens. Not used where capacity is 0.
  std::int64_t exchange_capacity = 0;
};

/// Where each token of a micro-batch goes: a RoutingPlan, with its index arrays as tensors too (int64; they share the
/// plan's memory on the CPU, and are copies on the layer's device elsewhere). A plan that a GPU made stays there: then
/// only the tensors are defined, and there may be more slots than are in use.
struct Routing {
  Assignments assignments;
  ExpertLimit limit;
  std::shared_ptr<const kernels::RoutingPlan> plan;  ///< null where a GPU made it
  at::Tensor slot_token;                             ///< [slots]
  at::Tensor slot_of;       ///< of the shape of expert_ids; the slot of each assignment, -1 where it was dropped
  at::Tensor expert_begin;  ///< [experts + 1], on the CPU; undefined where a GPU made the plan
  at::Tensor expert_end;    ///< [experts] int32 on the GPU that made the plan; else undefined
};

/// The routings of a pass through some layers, for the same pass computed anew. A product may round otherwise the
/// second time, and a token that then chose another expert would meet gradients of the first one, and on many processes
/// counts that the others do not expect.
class RoutingMemo {
 public:
  /// The layers run again, in the same order.
  void rewind() { next_ = 0; }
  /// What this layer did in the pass before; null in the first pass.
  const Routing* kept() const { return next_ < routings_.size() ? &routings_[next_] : nullptr; }
  /// What this layer does now; goes on to the next layer.
  void pass(const Routing& routing) {
    if (next_ == routings_.size()) routings_.push_back(routing);
    ++next_;
  }

 private:
  std::vector<Routing> routings_;
  std::size_t next_ = 0;
};

/// Plans the routing of `assignments`. `stay_on_gpu`: on a GPU for which there are kernels the plan is made there, and
/// the host need not wait.
Routing make_routing(const Assignments& assignments, const ExpertLimit& limit, bool stay_on_gpu = false);

/// The slots' inputs: row s of the result is x[slot_token[s]]. x [tokens, hidden] -> [slots, hidden].
at::Tensor tokens_to_slots(const at::Tensor& x, const Routing& routing);

/// Each token's weighted sum over its slots: y [slots, hidden], weights float32 of the shape of expert_ids ->
/// [tokens, hidden]. Tokens without a slot get zeros.
at::Tensor slots_to_tokens(const at::Tensor& y, const at::Tensor& weights, const Routing& routing);

}  // namespace polymoe
