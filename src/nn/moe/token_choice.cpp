#include "nn/moe/token_choice.h"

#include "nn/torch_headers.h"

namespace polymoe {

RouterOutput TokenChoiceRouter::forward(const at::Tensor& x, const ForwardContext& context,
                                        const RoutingRequest& request) {
  const at::Tensor logits = logits_of(x, context);
  RouterOutput output;
  output.probabilities = at::softmax(logits, 1);
  output.routing =
      request.kept != nullptr
          ? *request.kept
          : plan({options().experts, top_experts(with_gumbel_noise(logits.detach(), context), options().top_k), {}},
                 context, request);
  const at::Tensor& expert_ids = output.routing.assignments.expert_ids;
  output.weights = output.probabilities.gather(1, expert_ids);
  output.balance_loss = balance_loss(output.probabilities, expert_ids.select(1, 0));
  output.router_z_loss = at::logsumexp(logits, 1).square().mean();
  if (options().top_k > 1 && options().normalize_gates) {
    output.weights = divided_by_kept(output.weights, output.routing);
  }
  return output;
}

at::Tensor top_experts(const at::Tensor& ranking, std::int64_t top_k) {
  // Both take the first of equals.
  if (top_k == 1) return ranking.argmax(1, /*keepdim=*/true);
  return std::get<1>(ranking.sort(/*stable=*/true, 1, /*descending=*/true)).slice(1, 0, top_k);
}

at::Tensor divided_by_kept(const at::Tensor& values, const Routing& routing) {
  const at::Tensor kept = values * (routing.slot_of >= 0);
  return kept / kept.sum(1, /*keepdim=*/true).clamp_min(1e-9);
}

at::Tensor balance_loss(const at::Tensor& probabilities, const at::Tensor& first_choices) {
  const std::int64_t tokens = probabilities.size(0), experts = probabilities.size(1);
  // Counted so that a GPU need not be asked how many bins there are.
  const at::Tensor ones = at::ones({tokens}, probabilities.options());
  const at::Tensor assigned =
      at::zeros({experts}, probabilities.options()).scatter_add_(0, first_choices, ones) / tokens;
  return experts * (probabilities.mean(0) * assigned).sum();
}

}  // namespace polymoe
