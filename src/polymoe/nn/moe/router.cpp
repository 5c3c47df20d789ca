#include "polymoe/nn/moe/router.h"

#include <utility>

#include "polymoe/tensor/torch_headers.h"

#include "polymoe/base/error.h"
#include "polymoe/kernels/cpu/dropout.h"
#include "polymoe/kernels/cuda/random.h"
#include "polymoe/nn/moe/capacity.h"
#include "polymoe/nn/moe/expert_choice.h"
#include "polymoe/nn/moe/sigmoid_router.h"
#include "polymoe/nn/moe/token_choice.h"
#include "polymoe/tensor/gpu.h"

namespace polymoe {

Router::Router(std::int64_t hidden, const MoeOptions& options, std::string full_name)
    : options_(options), full_name_(std::move(full_name)) {
  weight = register_weight("weight", Role::kGate, unsharded_spec({options.experts, hidden}));
}

at::Tensor Router::uniform(const std::string& name, at::IntArrayRef sizes, const at::Tensor& x,
                           const ForwardContext& context) const {
  const PhiloxKey key = context.random_key(full_name_ + ".gate." + name);
  if constexpr (kernels::cuda::kBuilt) {
    if (x.is_cuda()) {
      at::Tensor noise = at::empty(sizes, x.options().dtype(at::kFloat));
      kernels::cuda::fill_uniform(noise.mutable_data_ptr<float>(), noise.numel(), 0, 0.0f, 1.0f, key, gpu_stream(x));
      return noise;
    }
  }
  at::Tensor noise = at::empty(sizes, at::kFloat);
  kernels::fill_uniform(noise.mutable_data_ptr<float>(), noise.numel(), 0, 0.0f, 1.0f, key);
  return noise.to(x.device());
}

at::Tensor Router::logits_of(const at::Tensor& x, const ForwardContext& context) const {
  at::Tensor input = x.to(weight.scalar_type());
  if (context.training && options_.gate_noise == GateNoise::kJitter) {
    input = input * (0.99 + 0.02 * uniform("noise", input.sizes(), input, context)).to(input.scalar_type());
  }
  return at::linear(input, weight);
}

at::Tensor Router::with_gumbel_noise(const at::Tensor& ranking, const ForwardContext& context) const {
  if (!context.training || options_.gate_noise != GateNoise::kGumbel) return ranking;
  return add_gumbel(ranking, uniform("noise", ranking.sizes(), ranking, context));
}

Routing Router::plan(const at::Tensor& expert_ids, const ForwardContext& context, const RoutingRequest& request) const {
  const Assignments assignments{options_.experts, expert_ids, {}};
  ExpertLimit limit;
  limit.selection = {options_.random_token_selection, context.random_key(full_name_ + ".selection")};
  if (!context.dropless) {
    const auto capacity = [&](std::int64_t tokens) {
      return expert_capacity(options_, tokens, context.training, context.update);
    };
    limit.capacity = capacity(assignments.tokens());
    limit.exchange_capacity = capacity(context.exchange_tokens);
  }
  return make_routing(assignments, limit, request.stay_on_gpu);
}

at::Tensor balance_loss(const at::Tensor& probabilities, const at::Tensor& shares) {
  return probabilities.size(1) * (probabilities.mean(0) * shares).sum();
}

at::Tensor add_gumbel(const at::Tensor& ranking, const at::Tensor& uniform) {
  return ranking - at::log(-at::log(uniform.clamp(1e-7, 1.0 - 1e-7))).to(ranking.scalar_type());
}

at::Tensor count_experts(const at::Tensor& expert_ids, std::int64_t experts, at::ScalarType type) {
  // Counted so that a GPU need not be asked how many bins there are.
  const at::Tensor ids = expert_ids.reshape(-1);
  const at::TensorOptions options = ids.options().dtype(type);
  return at::zeros({experts}, options).scatter_add_(0, ids.clamp_min(0), (ids >= 0).to(type));
}

std::shared_ptr<Router> make_router(std::int64_t hidden, const MoeOptions& options, const std::string& full_name) {
  switch (options.router) {
    case RouterKind::kTokenChoice:
      return std::make_shared<TokenChoiceRouter>(hidden, options, full_name);
    case RouterKind::kSigmoid:
      return std::make_shared<SigmoidRouter>(hidden, options, full_name);
    case RouterKind::kExpertChoice:
      return std::make_shared<ExpertChoiceRouter>(hidden, options, full_name);
  }
  fail("a layer has no router of number {}", static_cast<int>(options.router));
}

}  // namespace polymoe
