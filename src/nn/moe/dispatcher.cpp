#include "nn/moe/dispatcher.h"

namespace polymoe {

// All experts are one run. Nothing travels: x itself is what the handle holds.
DispatchHandle LocalDispatcher::dispatch(const at::Tensor& x, const Routing& routing,
                                         const ForwardContext& /*context*/) {
  return {.routing = routing, .runs = {routing.assignments.experts}, .exchange = std::make_shared<at::Tensor>(x)};
}

ExpertInputs LocalDispatcher::receive(const DispatchHandle& handle, std::size_t /*run*/,
                                      const ForwardContext& context) {
  const Routing& routing = handle.routing;
  ExpertInputs inputs{tokens_to_slots(*static_cast<const at::Tensor*>(handle.exchange.get()), routing),
                      routing.expert_begin,
                      {},
                      routing.expert_end};
  if (routing.plan == nullptr) return inputs;
  const std::vector<std::int64_t>& begin = routing.plan->expert_begin;
  for (std::size_t e = 0; e + 1 < begin.size(); ++e) {
    if (begin[e] == begin[e + 1]) continue;
    const auto expert = static_cast<std::int64_t>(e);
    inputs.segments.push_back(
        {expert, begin[e], begin[e + 1] - begin[e], context.micro_batch, first_slot_name(expert)});
  }
  return inputs;
}

at::Tensor LocalDispatcher::send_back(const DispatchHandle& /*handle*/, std::size_t /*run*/,
                                      const at::Tensor& outputs) {
  return outputs;
}

at::Tensor LocalDispatcher::combine(const DispatchHandle& handle, const std::vector<at::Tensor>& sent_back,
                                    const at::Tensor& weights) {
  return slots_to_tokens(sent_back.front(), weights, handle.routing);
}

}  // namespace polymoe
