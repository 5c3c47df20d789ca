#include "nn/moe/dispatcher.h"

namespace polymoe {

DispatchHandle LocalDispatcher::dispatch(const at::Tensor& x, const Routing& routing, const ForwardContext& context) {
  DispatchHandle handle{.routing = routing,
                        .expert_inputs = tokens_to_slots(x, routing),
                        .expert_begin = routing.expert_begin,
                        .segments = {},
                        .exchange = nullptr};
  const std::vector<std::int64_t>& begin = routing.plan->expert_begin;
  for (std::size_t e = 0; e + 1 < begin.size(); ++e) {
    if (begin[e] == begin[e + 1]) continue;
    const auto expert = static_cast<std::int64_t>(e);
    handle.segments.push_back(
        {expert, begin[e], begin[e + 1] - begin[e], context.micro_batch, first_slot_name(expert)});
  }
  return handle;
}

at::Tensor LocalDispatcher::combine(const DispatchHandle& handle, const at::Tensor& outputs,
                                    const at::Tensor& weights) {
  return slots_to_tokens(outputs, weights, handle.routing);
}

}  // namespace polymoe
