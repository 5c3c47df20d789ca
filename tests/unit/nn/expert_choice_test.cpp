#include "polymoe/nn/moe/expert_choice.h"
#include "polymoe/config/model_options.h"

#include <cmath>

#include <gtest/gtest.h>

#include "polymoe/nn/moe/layer.h"
#include "polymoe/nn/moe/statistics.h"
#include "polymoe/nn/partition.h"
#include "polymoe/tensor/torch_headers.h"
#include "support/device.h"
#include "unit/nn/gradient_check.h"

namespace polymoe {
namespace {

ModelOptions expert_choice_options(std::int64_t experts, std::int64_t top_k) {
  ModelOptions options;
  options.hidden = 6;
  options.ffn = 10;
  options.activation = Activation::kGelu;
  options.moe.router = RouterKind::kExpertChoice;
  options.moe.side = MoeSide::kEncoder;
  options.moe.experts = experts;
  options.moe.top_k = top_k;
  options.moe.min_capacity = 1;
  return options;
}

TEST(ExpertChoice, ExpertsTakeTheirBestTokens) {
  // Two experts take two of four tokens each: expert 0 tokens 0 and 2, expert 1 tokens 2 and 3. Nobody wants token 1.
  const at::Tensor ranking =
      on_device(at::tensor({0.9, 0.1, 0.2, 0.3, 0.8, 0.7, 0.1, 0.6}).to(at::kFloat).view({4, 2}));
  const Assignments chosen = choose_tokens(ranking, 2);
  EXPECT_TRUE(at::equal(chosen.expert_ids.cpu(), at::tensor({0, 0, 1, 1}, at::kLong)));
  EXPECT_TRUE(at::equal(chosen.token_begin.cpu(), at::tensor({0, 1, 1, 3, 4}, at::kLong)));
  EXPECT_EQ(chosen.tokens(), 4);
  EXPECT_TRUE(at::equal(chosen.of_tokens(on_device(at::tensor({5, 6, 7, 8}))).cpu(), at::tensor({5, 7, 7, 8})));
}

TEST(ExpertChoice, TiesGoToTheEarlierToken) {
  const Assignments chosen = choose_tokens(on_device(at::ones({5, 3})), 2);
  EXPECT_TRUE(at::equal(chosen.token_begin.cpu(), at::tensor({0, 3, 6, 6, 6, 6}, at::kLong)));
}

TEST(ExpertChoice, ProbabilitiesScale) {
  MoeOptions options = expert_choice_options(2, 1).moe;
  ExpertChoiceRouter router(2, options, "layer");
  {
    const at::NoGradGuard no_grad;
    router.weight.copy_(at::eye(2));
  }
  router.to(test_device());
  ForwardContext context;
  context.training = true;
  // Softmax of (ln 3, 0) is (0.75, 0.25). Each expert takes ceil(1 * 2 / 2 * 1) = 1 token.
  const at::Tensor x = on_device(at::tensor({std::log(3.0), 0.0, 0.0, 0.0}).to(at::kFloat).view({2, 2}));
  const RouterOutput output = router.forward(x, context);
  EXPECT_TRUE(at::equal(output.routing.assignments.expert_ids.cpu(), at::tensor({0, 1}, at::kLong)));
  EXPECT_NEAR(output.weights[0].item<double>(), 0.75, tolerance(1e-6));
  EXPECT_NEAR(output.weights[1].item<double>(), 0.5, tolerance(1e-6));
  EXPECT_EQ(output.routing.limit.capacity, 1);
}

// The layer as its definition says, expert after expert.
at::Tensor loop_over_experts(MoeLayer& layer, const at::Tensor& x, std::int64_t capacity) {
  auto parameters = layer->named_parameters();
  const at::Tensor p = at::softmax(at::linear(x, parameters["gate.weight"]), 1);
  at::Tensor y = at::zeros_like(x);
  for (std::int64_t e = 0; e < p.size(1); ++e) {
    const at::Tensor tokens = std::get<1>(p.select(1, e).topk(capacity));
    const at::Tensor inner = activate(
        at::linear(x.index_select(0, tokens), parameters["experts.up_weight"][e], parameters["experts.up_bias"][e]),
        Activation::kGelu);
    const at::Tensor out = at::linear(inner, parameters["experts.down_weight"][e], parameters["experts.down_bias"][e]);
    y = y.index_add(0, tokens, out * p.select(1, e).index_select(0, tokens).unsqueeze(1));
  }
  return y;
}

MoeLayer expert_choice_layer(const ModelOptions& options, at::ScalarType type) {
  MoeLayer layer(options, "layer", Partition{});
  for (auto& p : layer->parameters()) p.set_data(on_device(at::randn_like(p).mul_(0.5).to(type)));
  return layer;
}

TEST(ExpertChoice, TheLayerEqualsTheLoopOverExperts) {
  for (const std::int64_t top_k : {1, 3}) {
    const ModelOptions options = expert_choice_options(4, top_k);
    MoeLayer layer = expert_choice_layer(options, at::kFloat);
    const at::Tensor x = on_device(at::randn({32, 6}));
    ForwardContext context;
    context.training = true;
    // Up to four products, and sums of 10, in float32, in another order.
    EXPECT_TRUE(close(layer(x, context), loop_over_experts(layer, x, 8 * top_k), 1e-5, 1e-5)) << top_k;
  }
}

TEST(ExpertChoice, GradientsMatchFiniteDifferences) {
  MoeLayer layer = expert_choice_layer(expert_choice_options(3, 2), at::kDouble);
  const at::Tensor x = on_device(at::randn({7, 6}, at::kDouble)).requires_grad_();
  const at::Tensor scale = on_device(at::randn({7, 6}, at::kDouble));
  const auto objective = [&] {
    ForwardContext context;
    context.training = true;
    return (layer(x, context) * scale).sum();
  };
  expect_gradient_matches(x, objective);
  for (auto& p : layer->parameters()) expect_gradient_matches(p, objective);
}

TEST(ExpertChoice, StatisticsCountWhatTokensGot) {
  ModelOptions options = expert_choice_options(2, 1);
  options.moe.eval_capacity_factor = 1.0;
  MoeLayer layer = expert_choice_layer(options, at::kFloat);
  MoeStatistics statistics;
  ForwardContext context;
  ForwardOutputs outputs;
  outputs.statistics = &statistics;
  context.outputs = &outputs;
  context.token_languages = {7, 7, 9, 9, 9, 9};
  layer(on_device(at::randn({6, 6})), context);
  const auto& languages = statistics.layers().at("layer");
  const auto count = [&](std::int32_t language) {
    return languages.at(language).assigned[0] + languages.at(language).assigned[1];
  };
  EXPECT_EQ(languages.at(7).tokens, 2);
  EXPECT_EQ(count(7) + count(9), 6) << "two experts of three tokens each";
  EXPECT_EQ(languages.at(9).dropped(), 0);
}

}  // namespace
}  // namespace polymoe
