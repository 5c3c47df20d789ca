#include "nn/moe/gate.h"

#include <utility>

#include "nn/torch_headers.h"

#include "kernels/cpu/dropout.h"
#include "kernels/cuda/random.h"
#include "nn/gpu.h"

namespace polymoe {

GateImpl::GateImpl(std::int64_t hidden, const MoeOptions& options, std::string place)
    : options_(options), place_(std::move(place)) {
  weight = register_placed("weight", whole_placement({options.experts, hidden}));
}

at::Tensor GateImpl::noise_like(const at::Tensor& x, const ForwardContext& context) const {
  const PhiloxKey key = context.random_key(place_ + ".noise");
  if constexpr (kernels::cuda::kBuilt) {
    if (x.is_cuda()) {
      at::Tensor noise = at::empty(x.sizes(), x.options().dtype(at::kFloat));
      kernels::cuda::fill_uniform(noise.mutable_data_ptr<float>(), noise.numel(), 0, 0.0f, 1.0f, key, gpu_stream(x));
      return noise;
    }
  }
  at::Tensor noise = at::empty(x.sizes(), at::kFloat);
  kernels::fill_uniform(noise.mutable_data_ptr<float>(), noise.numel(), 0, 0.0f, 1.0f, key);
  return noise.to(x.device());
}

at::Tensor GateImpl::choose(const at::Tensor& logits, const ForwardContext& context) const {
  at::Tensor ranking = logits;
  if (context.training && options_.gate_noise == "gumbel") {
    const at::Tensor uniform = noise_like(ranking, context).clamp(1e-7, 1.0 - 1e-7);
    ranking = ranking - at::log(-at::log(uniform)).to(ranking.scalar_type());
  }
  // With ties the lower expert wins: argmax and a stable sort both say so, on every device.
  if (options_.top_k == 1) return ranking.argmax(1, /*keepdim=*/true);
  return std::get<1>(ranking.sort(/*stable=*/true, 1, /*descending=*/true)).slice(1, 0, options_.top_k);
}

GateDecision GateImpl::forward(const at::Tensor& x, const ForwardContext& context, const at::Tensor& expert_ids) {
  at::Tensor input = x.to(weight.scalar_type());
  if (context.training && options_.gate_noise == "jitter") {
    input = input * (0.99 + 0.02 * noise_like(input, context)).to(input.scalar_type());
  }
  const at::Tensor logits = at::linear(input, weight);

  GateDecision decision;
  decision.probabilities = at::softmax(logits, 1);
  decision.expert_ids = expert_ids.defined() ? expert_ids : choose(logits.detach(), context);
  decision.values = decision.probabilities.gather(1, decision.expert_ids);
  decision.balance_loss = balance_loss(decision.probabilities, decision.expert_ids.select(1, 0));
  decision.router_z_loss = at::logsumexp(logits, 1).square().mean();
  return decision;
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
