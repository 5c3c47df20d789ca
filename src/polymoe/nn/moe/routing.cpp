#include "polymoe/nn/moe/routing.h"

#include <utility>

#include "polymoe/tensor/torch_headers.h"

#include "polymoe/kernels/cuda/routing.h"
#include "polymoe/nn/moe/slot_rows.h"
#include "polymoe/tensor/gpu.h"
#include "polymoe/tensor/host_copy.h"

namespace polymoe {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// Its backward is the unweighted combine: the gradient of a token is the sum over its slots.
class ToSlots : public torch::autograd::Function<ToSlots> {
 public:
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& x, const Routing& routing) {
    ctx->save_for_backward({routing.slot_of, routing.assignments.token_begin});
    return gather_rows(x, routing.slot_token);
  }
  static variable_list backward(AutogradContext* ctx, const variable_list& grads) {
    const variable_list saved = ctx->get_saved_variables();
    return {combine_slots(grads[0].contiguous(), {}, saved[0], saved[1]), {}};
  }
};

class ToTokens : public torch::autograd::Function<ToTokens> {
 public:
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& y, const at::Tensor& weights,
                            const Routing& routing) {
    ctx->save_for_backward({y, weights, routing.slot_of, routing.assignments.token_begin});
    return combine_slots(y, weights, routing.slot_of, routing.assignments.token_begin);
  }
  static variable_list backward(AutogradContext* ctx, const variable_list& grads) {
    const variable_list saved = ctx->get_saved_variables();
    CombineGradients result = combine_slots_backward(grads[0].contiguous(), saved[0], saved[1], saved[2], saved[3]);
    return {result.slots, result.weights, {}};
  }
};

// A tensor over memory that `owner` keeps alive.
at::Tensor view_of(const std::vector<std::int64_t>& values, at::IntArrayRef sizes,
                   std::shared_ptr<const kernels::RoutingPlan> owner) {
  auto* data = const_cast<std::int64_t*>(values.data());
  return at::from_blob(
      data, sizes, [owner = std::move(owner)](void*) {}, at::kLong);
}

// Only where the kernels are built.
Routing route_on_gpu(const Assignments& assignments, const ExpertLimit& limit) {
  const Assignments list = assignments.to(assignments.expert_ids.device());
  const at::Tensor& ids = list.expert_ids;
  const std::int64_t most_slots = kernels::cuda::most_slots(list.size(), list.experts, limit.capacity);
  Routing routing{assignments, limit, nullptr, {}, {}, {}, {}};
  routing.slot_token = at::empty({most_slots}, ids.options());
  routing.slot_of = at::empty_like(ids);
  routing.expert_end = at::empty({list.experts}, ids.options().dtype(at::kInt));
  if constexpr (kernels::cuda::kBuilt) {
    const std::size_t bytes = kernels::cuda::routing_workspace_bytes(list.size(), list.experts);
    const at::Tensor workspace = at::empty({static_cast<std::int64_t>(bytes)}, ids.options().dtype(at::kByte));
    const at::Tensor assigned = at::empty({list.experts}, ids.options());
    kernels::cuda::plan_routing(
        ids.const_data_ptr<std::int64_t>(), ranges_of(ids, list.token_begin), list.experts, limit.capacity,
        limit.selection,
        {routing.slot_token.mutable_data_ptr<std::int64_t>(), routing.slot_of.mutable_data_ptr<std::int64_t>(),
         routing.expert_end.mutable_data_ptr<std::int32_t>(), assigned.mutable_data_ptr<std::int64_t>(),
         workspace.mutable_data_ptr()},
        gpu_stream(ids));
  }
  return routing;
}

}  // namespace

Routing make_routing(const Assignments& assignments, const ExpertLimit& limit, bool stay_on_gpu) {
  const at::Device device = assignments.expert_ids.device();
  if (kernels::cuda::kBuilt && stay_on_gpu && device.is_cuda()) return route_on_gpu(assignments, limit);
  const Assignments list = assignments.to(at::kCPU);
  auto plan = std::make_shared<const kernels::RoutingPlan>(kernels::plan_routing(
      list.expert_ids.const_data_ptr<std::int64_t>(), ranges_of(list.expert_ids, list.token_begin), list.experts,
      limit.capacity, limit.selection));
  Routing routing{assignments, limit, plan, {}, {}, {}, {}};
  routing.slot_token = send_to(view_of(plan->slot_token, {plan->slots()}, plan), device);
  routing.slot_of = send_to(view_of(plan->slot_of, list.expert_ids.sizes(), plan), device);
  routing.expert_begin = view_of(plan->expert_begin, {plan->experts + 1}, plan);
  return routing;
}

at::Tensor tokens_to_slots(const at::Tensor& x, const Routing& routing) {
  return ToSlots::apply(x.contiguous(), routing);
}

at::Tensor slots_to_tokens(const at::Tensor& y, const at::Tensor& weights, const Routing& routing) {
  return ToTokens::apply(y.contiguous(), weights.contiguous(), routing);
}

}  // namespace polymoe
