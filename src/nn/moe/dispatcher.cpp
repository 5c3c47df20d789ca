#include "nn/moe/dispatcher.h"

namespace polymoe {

DispatchHandle LocalDispatcher::dispatch(const at::Tensor& x, const Routing& routing) {
  return {routing, tokens_to_slots(x, routing), routing.expert_begin, routing.slot_assignment};
}

at::Tensor LocalDispatcher::combine(const DispatchHandle& handle, const at::Tensor& outputs,
                                    const at::Tensor& weights) {
  return slots_to_tokens(outputs, weights, handle.routing);
}

}  // namespace polymoe
