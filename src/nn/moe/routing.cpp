#include "nn/moe/routing.h"

#include <algorithm>
#include <cmath>

#include "nn/torch_headers.h"

#include "kernels/cuda/routing.h"
#include "nn/gpu.h"
#include "nn/host_copy.h"
#include "nn/moe/slot_rows.h"

namespace polymoe {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// Its backward is the unweighted combine: the gradient of a token is the sum over its slots.
class ToSlots : public torch::autograd::Function<ToSlots> {
 public:
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& x, const at::Tensor& slot_token,
                            const at::Tensor& slot_of) {
    ctx->save_for_backward({slot_of});
    return gather_rows(x, slot_token);
  }
  static variable_list backward(AutogradContext* ctx, const variable_list& grads) {
    return {combine_slots(grads[0].contiguous(), {}, ctx->get_saved_variables()[0]), {}, {}};
  }
};

class ToTokens : public torch::autograd::Function<ToTokens> {
 public:
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& y, const at::Tensor& weights,
                            const at::Tensor& slot_of) {
    ctx->save_for_backward({y, weights, slot_of});
    return combine_slots(y, weights, slot_of);
  }
  static variable_list backward(AutogradContext* ctx, const variable_list& grads) {
    const variable_list saved = ctx->get_saved_variables();
    CombineGradients result = combine_slots_backward(grads[0].contiguous(), saved[0], saved[1], saved[2]);
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
Routing route_on_gpu(const at::Tensor& expert_ids, const MoeOptions& options, std::int64_t capacity, PhiloxKey key) {
  const at::Tensor ids = expert_ids.contiguous();
  const std::int64_t tokens = ids.size(0), top_k = ids.size(1), experts = options.experts;
  const std::int64_t most_slots = kernels::cuda::most_slots(tokens, top_k, experts, capacity);
  Routing routing;
  routing.experts = experts;
  routing.expert_ids = expert_ids;
  routing.slot_token = at::empty({most_slots}, ids.options());
  routing.slot_of = at::empty({tokens, top_k}, ids.options());
  routing.expert_end = at::empty({experts}, ids.options().dtype(at::kInt));
  if constexpr (kernels::cuda::kBuilt) {
    const std::size_t bytes = kernels::cuda::routing_workspace_bytes(tokens, top_k, experts);
    const at::Tensor workspace = at::empty({static_cast<std::int64_t>(bytes)}, ids.options().dtype(at::kByte));
    const at::Tensor assigned = at::empty({experts}, ids.options());
    kernels::cuda::plan_routing(
        ids.const_data_ptr<std::int64_t>(), tokens, top_k, experts, capacity, {options.random_token_selection, key},
        {routing.slot_token.mutable_data_ptr<std::int64_t>(), routing.slot_of.mutable_data_ptr<std::int64_t>(),
         routing.expert_end.mutable_data_ptr<std::int32_t>(), assigned.mutable_data_ptr<std::int64_t>(),
         workspace.mutable_data_ptr()},
        gpu_stream(ids));
  }
  return routing;
}

}  // namespace

double capacity_factor_at(const MoeOptions& options, std::uint64_t update) {
  if (options.final_capacity_factor == 0) return options.capacity_factor;
  const double way = std::min(1.0, static_cast<double>(update) / static_cast<double>(options.capacity_updates));
  return options.capacity_factor + way * (options.final_capacity_factor - options.capacity_factor);
}

std::int64_t expert_capacity(const MoeOptions& options, std::int64_t tokens, bool training, std::uint64_t update) {
  if (options.capacity == "dropless") return 0;
  const double factor = training ? capacity_factor_at(options, update) : options.eval_capacity_factor;
  const double share = static_cast<double>(options.top_k * tokens) / static_cast<double>(options.experts);
  // A capacity of 0 would mean "no limit" to the planner; an expert always has room for one token.
  return std::max<std::int64_t>({1, options.min_capacity, static_cast<std::int64_t>(std::ceil(share * factor))});
}

Routing make_routing(const at::Tensor& expert_ids, const MoeOptions& options, std::int64_t capacity, PhiloxKey key,
                     bool stay_on_gpu) {
  if (kernels::cuda::kBuilt && stay_on_gpu && expert_ids.is_cuda()) {
    return route_on_gpu(expert_ids, options, capacity, key);
  }
  const at::Tensor ids = expert_ids.to(at::kCPU).contiguous();
  const std::int64_t tokens = ids.size(0), top_k = ids.size(1);
  auto plan = std::make_shared<const kernels::RoutingPlan>(
      kernels::plan_routing(ids.const_data_ptr<std::int64_t>(), tokens, top_k, options.experts, capacity,
                            {options.random_token_selection, key}));
  Routing routing;
  routing.plan = plan;
  routing.experts = options.experts;
  routing.expert_ids = expert_ids;
  routing.slot_token = send_to(view_of(plan->slot_token, {plan->slots()}, plan), expert_ids.device());
  routing.slot_of = send_to(view_of(plan->slot_of, {tokens, top_k}, plan), expert_ids.device());
  routing.expert_begin = view_of(plan->expert_begin, {plan->experts + 1}, plan);
  return routing;
}

at::Tensor tokens_to_slots(const at::Tensor& x, const Routing& routing) {
  return ToSlots::apply(x.contiguous(), routing.slot_token, routing.slot_of);
}

at::Tensor slots_to_tokens(const at::Tensor& y, const at::Tensor& weights, const Routing& routing) {
  return ToTokens::apply(y.contiguous(), weights.contiguous(), routing.slot_of);
}

}  // namespace polymoe
