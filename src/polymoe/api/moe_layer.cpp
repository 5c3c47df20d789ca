#include "polymoe/config/sections.h"
#include "polymoe/nn/moe/layer.h"

#include <utility>

#include "polymoe/base/error.h"
#include "polymoe/config/merge.h"
#include "polymoe/config/words.h"
#include "polymoe/nn/moe/router.h"
#include "polymoe/nn/moe/statistics.h"
#include "polymoe/nn/partition.h"
#include "polymoe/tensor/torch_headers.h"

// The public names below are those of nn/moe/layer.h, in an inline namespace: from there on, they mean both.
namespace polymoe {
using ModelMoeLayer = MoeLayer;
}  // namespace polymoe

#include "polymoe/moe_layer.h"

namespace polymoe {

template <>
struct Words<v0::MoeRouter> {
  static constexpr std::string_view kAll[] = {"token-choice", "sigmoid", "expert-choice"};
};
template <>
struct Words<v0::MoeActivation> {
  static constexpr std::string_view kAll[] = {"relu", "gelu", "swish"};
};

namespace {

constexpr const char* kName = "moe";  // random numbers depend on it

// Set as if by keys of a configuration, so that the ranges and messages are the same.
ModelOptions model_options(const v0::MoeLayerOptions& layer) {
  RunOptions run;
  std::vector<Section> sections = sections_of(run);
  const auto set = [&](const std::string& key, auto value) {
    set_option(sections, "model." + key, fmt::format("{}", value));
  };
  set("hidden", layer.hidden);
  set("ffn", layer.ffn);
  set("activation", word_of(layer.activation));
  set("moe.experts", layer.experts);
  set("moe.top-k", layer.top_k);
  set("moe.shared-experts", layer.shared_experts);
  set("moe.router", word_of(layer.router));
  set("moe.capacity", layer.dropless ? "dropless" : "limited");
  set("moe.capacity-factor", layer.capacity_factor);
  set("moe.eval-capacity-factor", layer.eval_capacity_factor);
  set("moe.min-capacity", layer.min_capacity);
  set("moe.random-token-selection", layer.random_token_selection);
  set("moe.normalize-gates", layer.normalize_gates);
  set("moe.bias-rate", layer.bias_rate);
  if (layer.experts < 1) fail("a MoE layer of {} experts; give at least 1", layer.experts);
  if (layer.top_k > layer.experts) fail("{} experts for each token, but the layer has {}", layer.top_k, layer.experts);
  if (layer.dropless && layer.router == v0::MoeRouter::kExpertChoice) {
    fail("dropless, but with expert choice the capacity is what an expert picks; leave dropless out");
  }
  return run.model;
}

// Of the one layer and the one language that there are.
v0::ExpertLoad load_of(const MoeStatistics& statistics) {
  const ExpertUsage& usage = statistics.layers().at(kName).at(0);
  return {usage.assigned, usage.kept};
}

std::shared_ptr<Router> router_of(const ModelMoeLayer& layer) {
  return std::dynamic_pointer_cast<Router>(layer->named_children()["gate"]);
}

}  // namespace

struct v0::MoeLayerImpl::State {
  State(const MoeLayerOptions& given, ModelMoeLayer made) : options(given), layer(std::move(made)) {}

  MoeLayerOptions options;
  ModelMoeLayer layer;
  at::Tensor weight;  // one of the parameters, which to() changes in place
  std::uint64_t update = 0, pass = 0;
  at::Tensor update_load;  // of the training passes since the last update, where the router follows it
  at::Tensor balance_loss, router_z_loss;
  ExpertLoad load;
};

v0::MoeLayerImpl::MoeLayerImpl(const MoeLayerOptions& options) {
  ModelMoeLayer layer(model_options(options), kName, Partition{});
  initialize(*layer, options.seed);
  // So that names, state and files know nothing of the module within.
  for (const auto& child : layer->named_children()) register_module(child.key(), child.value());
  state_ = std::make_unique<State>(options, std::move(layer));
  state_->weight = named_parameters()["experts.up_weight"];
}

v0::MoeLayerImpl::~MoeLayerImpl() = default;

at::Tensor v0::MoeLayerImpl::forward(const at::Tensor& x) {
  State& state = *state_;
  const std::int64_t hidden = state.options.hidden;
  if (x.dim() == 0 || x.size(-1) != hidden) {
    fail("x has {} elements in its last dimension, but the layer's tokens are {} wide", x.dim() == 0 ? 0 : x.size(-1),
         hidden);
  }
  if (const at::Tensor& weight = state.weight;
      x.scalar_type() != weight.scalar_type() || x.device() != weight.device()) {
    fail("x is {} on {}, but the layer's parameters are {} on {}", c10::toString(x.scalar_type()), x.device().str(),
         c10::toString(weight.scalar_type()), weight.device().str());
  }
  if (x.numel() == 0) {
    state.balance_loss = state.router_z_loss = at::zeros({}, x.options());
    const std::vector<std::int64_t> none(static_cast<std::size_t>(state.options.experts));
    state.load = {none, none};
    return at::zeros_like(x);
  }
  const at::Tensor tokens = x.reshape({-1, hidden}).contiguous();
  ForwardContext context;
  context.training = is_training();
  context.seed = state.options.seed;
  context.update = state.update;
  context.micro_batch = context.training ? state.pass++ : 0;
  ForwardOutputs outputs;
  context.outputs = &outputs;
  MoeStatistics statistics;
  if (state.options.record_load) {
    outputs.statistics = &statistics;
    context.token_languages.assign(static_cast<std::size_t>(tokens.size(0)), 0);
  }
  const at::Tensor y = state.layer(tokens, context);
  state.balance_loss = outputs.balance_losses.front();
  state.router_z_loss = outputs.router_z_losses.front();
  if (context.training && outputs.loads.front().defined()) {
    const at::Tensor load = outputs.loads.front().detach();
    state.update_load = state.update_load.defined() ? state.update_load + load : load;
  }
  if (state.options.record_load) state.load = load_of(statistics);
  return y.reshape(x.sizes());
}

const at::Tensor& v0::MoeLayerImpl::balance_loss() const { return state_->balance_loss; }
const at::Tensor& v0::MoeLayerImpl::router_z_loss() const { return state_->router_z_loss; }

const v0::ExpertLoad& v0::MoeLayerImpl::load() const {
  if (!state_->options.record_load) fail("the layer keeps no load; make it with record_load");
  return state_->load;
}

void v0::MoeLayerImpl::end_update() {
  State& state = *state_;
  ++state.update;
  state.pass = 0;
  if (state.update_load.defined()) router_of(state.layer)->follow(state.update_load.to(at::kCPU));
  state.update_load.reset();
}

}  // namespace polymoe
