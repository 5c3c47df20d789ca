#include "polymoe/nn/moe/token_choice.h"

#include <cmath>
#include <utility>

#include "polymoe/tensor/torch_headers.h"

namespace polymoe {

TokenChoiceRouter::TokenChoiceRouter(std::int64_t hidden, const MoeOptions& options, std::string full_name)
    : Router(hidden, options, std::move(full_name)) {
  if (options.balance_scope != BalanceScope::kUpdate) return;
  load = register_buffer("load", at::zeros({options.experts}));
}

RouterOutput TokenChoiceRouter::forward(const at::Tensor& x, const ForwardContext& context,
                                        const RoutingRequest& request) {
  const at::Tensor logits = logits_of(x, context);
  RouterOutput output;
  output.probabilities = at::softmax(logits, 1);
  if (request.kept != nullptr) {
    output.routing = *request.kept;
  } else {
    output.routing = plan(choose(logits.detach(), output.probabilities.detach(), context), context, request);
  }
  const at::Tensor& expert_ids = output.routing.assignments.expert_ids;
  // Whatever the weight of a choice that was left out: it is in no slot.
  output.weights = output.probabilities.gather(1, expert_ids.clamp_min(0));
  output.balance_loss = balance_loss(output.probabilities, load_shares(expert_ids, output.probabilities.scalar_type()));
  output.router_z_loss = at::logsumexp(logits, 1).square().mean();
  if (follows_load()) output.load = count_experts(expert_ids, options().experts, at::kLong);
  if (options().top_k > 1 && options().normalize_gates) {
    output.weights = divided_by_kept(output.weights, output.routing);
  }
  return output;
}

at::Tensor TokenChoiceRouter::choose(const at::Tensor& logits, const at::Tensor& probabilities,
                                     const ForwardContext& context) const {
  const at::Tensor ranking = with_gumbel_noise(logits, context);
  const bool all = !context.training || options().top_k != 2 || options().second_expert == SecondExpert::kAll;
  if (all) return top_experts(ranking, options().top_k);
  if (options().second_expert == SecondExpert::kRandom) {
    // Lepikhin et al. 2021 (GShard), with the probability before it is divided by both's sum, as NLLB has it.
    const at::Tensor chosen = top_experts(ranking, 2);
    const at::Tensor second = chosen.narrow(1, 1, 1);
    const at::Tensor stays = 2 * probabilities.gather(1, second) > uniform("second", second.sizes(), logits, context);
    return at::cat({chosen.narrow(1, 0, 1), second.where(stays, -1)}, 1);
  }
  const at::Tensor first = top_experts(ranking, 1);
  const at::Tensor drawn = add_gumbel(ranking, uniform("second", ranking.sizes(), ranking, context));
  return at::cat({first, top_experts(drawn.scatter(1, first, -INFINITY), 1)}, 1);
}

at::Tensor TokenChoiceRouter::load_shares(const at::Tensor& expert_ids, at::ScalarType type) const {
  // Before the first update all are 0: then nothing pulls.
  if (follows_load()) return (load / load.sum().clamp_min(1.0)).to(type);
  const at::Tensor choices = expert_ids.size(1) <= 2 ? expert_ids.select(1, 0) : expert_ids;
  return count_experts(choices, options().experts, type) / choices.numel();
}

void TokenChoiceRouter::follow(const at::Tensor& update_load) { load.copy_(update_load); }

at::Tensor top_experts(const at::Tensor& ranking, std::int64_t top_k) {
  // Both take the first of equals.
  if (top_k == 1) return ranking.argmax(1, /*keepdim=*/true);
  return std::get<1>(ranking.sort(/*stable=*/true, 1, /*descending=*/true)).slice(1, 0, top_k);
}

at::Tensor divided_by_kept(const at::Tensor& values, const Routing& routing) {
  const at::Tensor kept = values * (routing.slot_of >= 0);
  return kept / kept.sum(1, /*keepdim=*/true).clamp_min(1e-9);
}

}  // namespace polymoe
