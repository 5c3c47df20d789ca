#include "polymoe/nn/moe/expert_choice.h"

#include <algorithm>

#include "polymoe/tensor/torch_headers.h"

#include "polymoe/nn/moe/capacity.h"

namespace polymoe {

RouterOutput ExpertChoiceRouter::forward(const at::Tensor& x, const ForwardContext& context,
                                         const RoutingRequest& request) {
  const at::Tensor logits = logits_of(x, context);
  RouterOutput output;
  output.probabilities = at::softmax(logits, 1);
  if (request.kept != nullptr) {
    output.routing = *request.kept;
  } else {
    const auto capacity = [&](std::int64_t tokens) {
      return std::min(tokens, expert_capacity(options(), tokens, context.training, context.update));
    };
    // What is chosen is what the capacity allows: nothing is dropped.
    const ExpertLimit limit{
        .capacity = capacity(x.size(0)), .selection = {}, .exchange_capacity = capacity(context.exchange_tokens)};
    const at::Tensor ranking = with_gumbel_noise(at::softmax(logits.detach(), 1), context);
    output.routing = make_routing(choose_tokens(ranking, limit.capacity), limit, request.stay_on_gpu);
  }
  const Assignments& chosen = output.routing.assignments;
  const at::Tensor tokens = chosen.of_tokens(at::arange(chosen.tokens(), chosen.expert_ids.options()));
  output.weights = output.probabilities.view(-1).index_select(0, tokens * chosen.experts + chosen.expert_ids);
  output.balance_loss = at::ones({}, output.probabilities.options());
  output.router_z_loss = at::logsumexp(logits, 1).square().mean();
  return output;
}

Assignments choose_tokens(const at::Tensor& ranking, std::int64_t capacity) {
  const std::int64_t tokens = ranking.size(0), experts = ranking.size(1);
  const at::Tensor best = std::get<1>(ranking.sort(/*stable=*/true, 0, /*descending=*/true)).slice(0, 0, capacity);
  // One number for a pair of token and expert, to sort by token and then by expert.
  const at::Tensor pairs = std::get<0>((best * experts + at::arange(experts, best.options())).view(-1).sort());
  const at::Tensor token = at::floor_divide(pairs, experts);
  return {experts, pairs - token * experts, at::searchsorted(token, at::arange(tokens + 1, token.options()))};
}

}  // namespace polymoe
