#include "polymoe/nn/moe/layer.h"

#include <utility>

#include "polymoe/config/model_options.h"
#include "polymoe/nn/moe/dispatcher.h"
#include "polymoe/nn/moe/router.h"
#include "polymoe/nn/partition.h"
#include "polymoe/tensor/torch_headers.h"

#include "polymoe/nn/dropout.h"
#include "polymoe/nn/moe/statistics.h"
#include "polymoe/tensor/host_copy.h"

namespace polymoe {

MoeLayerImpl::MoeLayerImpl(const ModelOptions& options, std::string full_name, const Partition& partition)
    : options_(options.moe), full_name_(std::move(full_name)), dispatcher_(partition.dispatcher) {
  router_ = register_module("gate", make_router(options.hidden, options.moe, full_name_));
  experts_ = register_module("experts", Experts(options, full_name_ + ".experts", partition));
  if (options.moe.shared_experts == 0) return;
  ModelOptions wide = options;
  wide.ffn *= options.moe.shared_experts;
  shared_ = register_module("shared", FeedForward(wide, full_name_ + ".shared", partition.model_axis));
}

at::Tensor MoeLayerImpl::forward(const at::Tensor& x, const ForwardContext& context) {
  const RoutingRequest request{.kept = context.routing_memo != nullptr ? context.routing_memo->kept() : nullptr,
                               .stay_on_gpu = !dispatcher_->needs_plan() && !context.collects_statistics()};
  const RouterOutput routed = router_->forward(x, context, request);
  if (context.routing_memo != nullptr) context.routing_memo->pass(routed.routing);
  const std::unique_ptr<Dispatch> dispatch = dispatcher_->dispatch(x, routed.routing, context.micro_batch);
  at::Tensor shared;  // while the tokens travel
  if (shared_) shared = shared_(x, context);
  const std::vector<ExpertWeights> weights = experts_->split(dispatch->runs());
  for (std::size_t run = 0; run < weights.size(); ++run) {
    const ExpertInputs inputs = dispatch->receive(run);
    dispatch->send_back(run, experts_(inputs, weights[run], context));
  }
  at::Tensor y = dispatch->combine(combine_weights(routed, context));
  if (shared.defined()) y = y + shared;

  if (context.outputs == nullptr) return y;
  ForwardOutputs& outputs = *context.outputs;
  outputs.balance_losses.push_back(routed.balance_loss);
  outputs.router_z_losses.push_back(routed.router_z_loss);
  outputs.loads.push_back(routed.load);
  if (outputs.statistics != nullptr) {
    outputs.statistics->record(full_name_, routed.probabilities, routed.routing, context.token_languages);
  }
  return y;
}

at::Tensor MoeLayerImpl::combine_weights(const RouterOutput& routed, const ForwardContext& context) const {
  at::Tensor weights = options_.output_scale == 1.0 ? routed.weights : routed.weights * options_.output_scale;
  if (!context.training || options_.output_masking == 0) return weights;
  const Assignments& assignments = routed.routing.assignments;
  const at::Tensor kept = counter_dropout(at::ones({assignments.tokens(), 1}), options_.output_masking,
                                          context.random_key(full_name_ + ".masking"));
  return weights * assignments.of_tokens(send_to(kept.squeeze(1), weights.device()));
}

}  // namespace polymoe
