#include "nn/moe/layer.h"

#include <utility>

#include "nn/torch_headers.h"

#include "nn/dropout.h"
#include "nn/host_copy.h"
#include "nn/moe/statistics.h"

namespace polymoe {

MoeLayerImpl::MoeLayerImpl(const ModelOptions& options, std::string place, const Partition& partition)
    : options_(options.moe), place_(std::move(place)), dispatcher_(partition.dispatcher) {
  gate_ = register_module("gate", Gate(options.hidden, options.moe, place_ + ".gate"));
  experts_ = register_module("experts", Experts(options, place_ + ".experts", partition));
  if (options.moe.shared_experts == 0) return;
  ModelOptions wide = options;
  wide.ffn *= options.moe.shared_experts;
  shared_ = register_module("shared", FeedForward(wide, place_ + ".shared", partition));
}

at::Tensor MoeLayerImpl::forward(const at::Tensor& x, ForwardContext& context) {
  const Routing* kept = context.routing_memo != nullptr ? context.routing_memo->kept() : nullptr;
  const GateDecision decision = gate_(x, context, kept != nullptr ? kept->expert_ids : at::Tensor());
  const Routing routing = kept != nullptr ? *kept : route(decision, context);
  if (context.routing_memo != nullptr) context.routing_memo->pass(routing);
  const DispatchHandle handle = dispatcher_->dispatch(x, routing, context);
  at::Tensor shared;  // while the tokens travel
  if (shared_) shared = shared_(x, context);
  const std::vector<ExpertWeights> weights = experts_->split(handle.runs);
  std::vector<at::Tensor> sent_back;
  for (std::size_t run = 0; run < handle.runs.size(); ++run) {
    const ExpertInputs inputs = dispatcher_->receive(handle, run, context);
    sent_back.push_back(dispatcher_->send_back(handle, run, experts_(inputs, weights[run], context)));
  }
  at::Tensor y = dispatcher_->combine(handle, sent_back, combine_weights(decision, routing, context));
  if (shared.defined()) y = y + shared;

  context.balance_losses.push_back(decision.balance_loss);
  context.router_z_losses.push_back(decision.router_z_loss);
  if (context.statistics != nullptr) {
    context.statistics->record(place_, decision.probabilities, decision.expert_ids, *routing.plan,
                               context.token_languages);
  }
  return y;
}

Routing MoeLayerImpl::route(const GateDecision& decision, const ForwardContext& context) const {
  const std::int64_t tokens = decision.expert_ids.size(0);
  const std::int64_t capacity =
      context.dropless ? 0 : expert_capacity(options_, tokens, context.training, context.update);
  return make_routing(decision.expert_ids, options_, capacity, context.random_key(place_ + ".selection"),
                      /*stay_on_gpu=*/!dispatcher_->needs_plan() && context.statistics == nullptr);
}

// Top-1 scales by the probability itself. Top-2 may divide the two values by their sum over the kept assignments, so
// that a token that lost one expert leans on the other.
at::Tensor MoeLayerImpl::combine_weights(const GateDecision& decision, const Routing& routing,
                                         const ForwardContext& context) const {
  at::Tensor weights = decision.values;
  if (options_.top_k > 1 && options_.normalize_gates) {
    const at::Tensor kept = decision.values * (routing.slot_of >= 0);
    weights = kept / kept.sum(1, /*keepdim=*/true).clamp_min(1e-9);
  }
  if (!context.training || options_.output_masking == 0) return weights;
  const at::Tensor kept =
      counter_dropout(at::ones({weights.size(0), 1}), options_.output_masking, context.random_key(place_ + ".masking"));
  return weights * send_to(kept, weights.device());
}

}  // namespace polymoe
