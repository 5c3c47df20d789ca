#include "polymoe/nn/moe/sigmoid_router.h"

#include <utility>

#include "polymoe/tensor/torch_headers.h"

#include "polymoe/nn/moe/token_choice.h"

namespace polymoe {

SigmoidRouter::SigmoidRouter(std::int64_t hidden, const MoeOptions& options, std::string full_name)
    : Router(hidden, options, std::move(full_name)) {
  bias = register_buffer("bias", at::zeros({options.experts}));
}

RouterOutput SigmoidRouter::forward(const at::Tensor& x, const ForwardContext& context, const RoutingRequest& request) {
  const at::Tensor logits = logits_of(x, context);
  const at::Tensor scores = at::sigmoid(logits);
  RouterOutput output;
  if (request.kept != nullptr) {
    output.routing = *request.kept;
  } else {
    const at::Tensor ranking = with_gumbel_noise(scores.detach() + bias, context);
    output.routing = plan(top_experts(ranking, options().top_k), context, request);
  }
  const at::Tensor& expert_ids = output.routing.assignments.expert_ids;
  output.weights = scores.gather(1, expert_ids);
  if (options().top_k > 1 && options().normalize_gates) {
    output.weights = divided_by_kept(output.weights, output.routing);
  }
  output.load = count_experts(expert_ids, options().experts, at::kLong);
  const at::Tensor measured = scores.detach();
  output.probabilities = measured / measured.sum(1, /*keepdim=*/true);
  output.balance_loss =
      balance_loss(output.probabilities, output.load.to(output.probabilities.scalar_type()) / expert_ids.numel());
  output.router_z_loss = at::logsumexp(logits, 1).square().mean();
  return output;
}

void SigmoidRouter::follow(const at::Tensor& load) {
  const at::Tensor excess = load * load.numel() - load.sum();  // whole numbers: exactly 0 where the share is even
  bias.sub_(at::sign(excess).to(bias.options()), options().bias_rate);
}

}  // namespace polymoe
