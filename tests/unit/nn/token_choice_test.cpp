#include "polymoe/nn/moe/token_choice.h"

#include <cmath>
#include <memory>

#include <gtest/gtest.h>

#include "polymoe/tensor/torch_headers.h"
#include "support/device.h"
#include "unit/nn/gradient_check.h"

namespace polymoe {
namespace {

MoeOptions moe_options(std::int64_t experts, std::int64_t top_k) {
  MoeOptions options;
  options.experts = experts;
  options.top_k = top_k;
  return options;
}

// Weights that make the logits equal to the input.
std::shared_ptr<Router> identity_router(const MoeOptions& options) {
  auto router = std::make_shared<TokenChoiceRouter>(options.experts, options, "layer");
  const at::NoGradGuard no_grad;
  router->weight.copy_(at::eye(options.experts));
  return on_device(router);
}

// What each token chose, [tokens, top_k].
at::Tensor choices(const RouterOutput& output) { return output.routing.assignments.expert_ids.cpu(); }

TEST(TokenChoice, TopOneByHand) {
  const auto router = identity_router(moe_options(3, 1));
  const at::Tensor x =
      on_device(at::tensor({0.0, std::log(2.0), 0.0, std::log(6.0), 0.0, 0.0}).to(at::kFloat).view({2, 3}));
  const RouterOutput decision = router->forward(x, ForwardContext{});
  // softmax of (0, ln 2, 0) is (1, 2, 1) / 4; of (ln 6, 0, 0) it is (6, 1, 1) / 8.
  EXPECT_TRUE(at::equal(choices(decision), at::tensor({1, 0}, at::kLong).view({2, 1})));
  EXPECT_NEAR(decision.weights[0][0].item<double>(), 0.5, tolerance(1e-6));
  EXPECT_NEAR(decision.weights[1][0].item<double>(), 0.75, tolerance(1e-6));
  // mean probabilities ((1/4 + 6/8)/2, (2/4 + 1/8)/2, (1/4 + 1/8)/2) = (0.5, 0.3125, 0.1875); half the tokens go to
  // expert 0 and half to expert 1: 3 * (0.5 * 0.5 + 0.3125 * 0.5) = 1.21875.
  EXPECT_NEAR(decision.balance_loss.item<double>(), 1.21875, tolerance(1e-6));
  // logsumexp: ln 4 and ln 8.
  const double z = (std::log(4.0) * std::log(4.0) + std::log(8.0) * std::log(8.0)) / 2;
  EXPECT_NEAR(decision.router_z_loss.item<double>(), z, tolerance(1e-5));
}

TEST(TokenChoice, TopTwoByHand) {
  MoeOptions options = moe_options(3, 2);
  options.normalize_gates = false;
  const auto router = identity_router(options);
  const at::Tensor x = on_device(at::tensor({0.0, std::log(5.0), std::log(2.0)}).to(at::kFloat).view({1, 3}));
  const RouterOutput decision = router->forward(x, ForwardContext{});
  EXPECT_TRUE(at::equal(choices(decision), at::tensor({1, 2}, at::kLong).view({1, 2})));
  EXPECT_NEAR(decision.weights[0][0].item<double>(), 0.625, tolerance(1e-6));
  EXPECT_NEAR(decision.weights[0][1].item<double>(), 0.25, tolerance(1e-6));
  const RouterOutput normalized = identity_router(moe_options(3, 2))->forward(x, ForwardContext{});
  EXPECT_NEAR(normalized.weights[0][0].item<double>(), 0.625 / 0.875, tolerance(1e-6));
  EXPECT_NEAR(normalized.weights[0][1].item<double>(), 0.25 / 0.875, tolerance(1e-6));
}

TEST(TokenChoice, TiesGoToTheLowerExpert) {
  for (const std::int64_t top_k : {1, 2}) {
    const auto router = identity_router(moe_options(4, top_k));
    const RouterOutput decision = router->forward(on_device(at::zeros({2, 4})), ForwardContext{});
    EXPECT_EQ(choices(decision)[1][0].item<std::int64_t>(), 0) << "top-" << top_k;
  }
}

TEST(TokenChoice, EvenRoutingHasBalanceLossOne) {
  const at::Tensor probabilities = on_device(at::full({8, 4}, 0.25));
  EXPECT_NEAR(balance_loss(probabilities, on_device(at::full({4}, 0.25))).item<double>(), 1.0, tolerance(1e-6));
}

// Logits ln 4, ln 3, ln 2 and 0: probabilities 0.4, 0.3, 0.2 and 0.1.
at::Tensor four_logits() {
  return on_device(at::tensor({std::log(4.0), std::log(3.0), std::log(2.0), 0.0}).to(at::kFloat).view({1, 4}));
}

TEST(TokenChoice, TopThreeByHand) {
  const RouterOutput decision = identity_router(moe_options(4, 3))->forward(four_logits(), ForwardContext{});
  EXPECT_TRUE(at::equal(choices(decision), at::tensor({0, 1, 2}, at::kLong).view({1, 3})));
  EXPECT_NEAR(decision.weights[0][2].item<double>(), 0.2 / 0.9, tolerance(1e-6));
  // A third of the choices fell on each of the first three.
  EXPECT_NEAR(decision.balance_loss.item<double>(), 4 * (0.4 + 0.3 + 0.2) / 3, tolerance(1e-6));
}

TEST(TokenChoice, BalancesOverTheUpdateBefore) {
  MoeOptions options = moe_options(4, 1);
  options.balance_scope = BalanceScope::kUpdate;
  TokenChoiceRouter router(4, options, "layer");
  {
    const at::NoGradGuard no_grad;
    router.weight.copy_(at::eye(4));
  }
  router.to(test_device());
  ASSERT_TRUE(router.follows_load());
  RouterOutput decision = router.forward(four_logits(), ForwardContext{});
  EXPECT_EQ(decision.balance_loss.item<double>(), 0.0) << "no update yet";
  EXPECT_TRUE(at::equal(decision.load.cpu(), at::tensor({1, 0, 0, 0}, at::kLong)));
  router.follow(at::tensor({5, 0, 10, 5}, at::kLong));
  decision = router.forward(four_logits(), ForwardContext{});
  // The token's own choice does not count, the shares 1/4, 0, 1/2 and 1/4 do.
  EXPECT_NEAR(decision.balance_loss.item<double>(), 4 * (0.4 / 4 + 0.2 / 2 + 0.1 / 4), tolerance(1e-6));
}

TEST(TokenChoice, ComputesInFloat32WhateverTheInput) {
  const auto router = identity_router(moe_options(4, 1));
  const RouterOutput decision = router->forward(on_device(at::randn({3, 4}).to(at::kBFloat16)), ForwardContext{});
  EXPECT_EQ(decision.probabilities.scalar_type(), at::kFloat);
}

TEST(TokenChoice, NoiseIsForTrainingAndComesFromTheContext) {
  for (const char* noise : {"jitter", "gumbel"}) {
    MoeOptions options = moe_options(4, 1);
    options.gate_noise = from_word<GateNoise>(noise);
    const auto router = identity_router(options);
    const at::Tensor x = on_device(at::randn({200, 4}));
    ForwardContext training;
    training.training = true;
    training.seed = 3;
    const RouterOutput a = router->forward(x, training), again = router->forward(x, training),
                       evaluated = router->forward(x, ForwardContext{});
    EXPECT_TRUE(at::equal(choices(a), choices(again))) << noise;
    EXPECT_TRUE(at::equal(choices(evaluated).squeeze(1), x.argmax(1).cpu())) << noise;
    ForwardContext next = training;
    next.update = 1;
    const RouterOutput other = router->forward(x, next);
    if (std::string(noise) == "gumbel") {
      EXPECT_FALSE(at::equal(choices(a), choices(other)));
      EXPECT_TRUE(at::equal(a.probabilities, evaluated.probabilities)) << "Gumbel noise only chooses";
    } else {
      EXPECT_FALSE(at::equal(a.probabilities, other.probabilities));
      const at::Tensor ratio = (a.probabilities.log() - a.probabilities.log().mean(1, true)).abs().max();
      EXPECT_LT((a.probabilities - evaluated.probabilities).abs().max().item<double>(), 0.05) << ratio;
    }
  }
}

// The decision on many tokens with the logits ln 4, ln 3, ln 2 and 0, in training.
RouterOutput decide_on_many(SecondExpert policy, std::uint64_t update = 0) {
  MoeOptions options = moe_options(4, 2);
  options.second_expert = policy;
  options.capacity = CapacityKind::kDropless;
  ForwardContext context;
  context.training = true;
  context.dropless = true;
  context.update = update;
  return identity_router(options)->forward(four_logits().repeat({20'000, 1}), context);
}

// Five standard deviations of a share of 20,000 draws.
double bound_of(double share) { return 5 * std::sqrt(share * (1 - share) / 20'000); }

TEST(TokenChoice, ASampledSecondExpertIsDrawnByProbability) {
  const RouterOutput decision = decide_on_many(SecondExpert::kSampled);
  const at::Tensor first = choices(decision).select(1, 0), second = choices(decision).select(1, 1);
  EXPECT_TRUE(at::equal(first, at::zeros_like(first)));
  // Of what the first leaves: 0.3, 0.2 and 0.1 of 0.6.
  const double expected[] = {0, 3.0 / 6, 2.0 / 6, 1.0 / 6};
  for (std::int64_t e = 0; e < 4; ++e) {
    const double share = (second == e).to(at::kDouble).mean().item<double>();
    EXPECT_NEAR(share, expected[e], bound_of(expected[e])) << "expert " << e;
  }
  const std::int64_t last = second[0].item<std::int64_t>();
  EXPECT_NEAR(decision.weights[0][1].item<double>(), (0.4 - 0.1 * last) / (0.8 - 0.1 * last), tolerance(1e-6));
}

TEST(TokenChoice, ARandomSecondExpertStaysWithTwiceItsProbability) {
  const RouterOutput decision = decide_on_many(SecondExpert::kRandom);
  const at::Tensor second = choices(decision).select(1, 1);
  EXPECT_TRUE(((second == 1) | (second == -1)).all().item<bool>());
  EXPECT_NEAR((second == 1).to(at::kDouble).mean().item<double>(), 0.6, bound_of(0.6));
  EXPECT_EQ(decision.routing.plan->slots(), 20'000 + (second == 1).sum().item<std::int64_t>());
  // Where it stays the weights are 0.4 and 0.3 over their sum; where not, the first expert has all.
  const at::Tensor weights = decision.weights.detach().cpu(), stays = (second == 1).to(at::kFloat);
  EXPECT_LT((weights.select(1, 0) - (1 - stays * (3.0 / 7))).abs().max().item<double>(), tolerance(1e-6));
  EXPECT_LT((weights.select(1, 1) - stays * (3.0 / 7)).abs().max().item<double>(), tolerance(1e-6));
}

TEST(TokenChoice, PoliciesOfTheSecondExpertAreForTrainingAndComeFromTheContext) {
  for (const SecondExpert policy : {SecondExpert::kSampled, SecondExpert::kRandom}) {
    const at::Tensor once = choices(decide_on_many(policy));
    EXPECT_TRUE(at::equal(once, choices(decide_on_many(policy))));
    EXPECT_FALSE(at::equal(once, choices(decide_on_many(policy, 1))));
    MoeOptions options = moe_options(4, 2);
    options.second_expert = policy;
    const RouterOutput evaluated = identity_router(options)->forward(four_logits(), ForwardContext{});
    EXPECT_TRUE(at::equal(choices(evaluated), at::tensor({0, 1}, at::kLong).view({1, 2})));
  }
}

TEST(TokenChoice, GradientsMatchFiniteDifferences) {
  for (const std::int64_t top_k : {1, 2, 3}) {
    MoeOptions options = moe_options(4, top_k);
    options.min_capacity = 2;
    options.capacity_factor = 0.7;  // some assignments are dropped
    options.second_expert = SecondExpert::kRandom;
    TokenChoiceRouter router(5, options, "layer");
    router.weight.set_data(on_device(at::randn({4, 5}, at::kDouble)));
    const at::Tensor x = on_device(at::randn({6, 5}, at::kDouble)).requires_grad_();
    const at::Tensor scale = on_device(at::randn({6, top_k}, at::kDouble));
    const auto objective = [&] {
      ForwardContext context;
      context.training = true;
      const RouterOutput d = router.forward(x, context);
      return (d.weights * scale).sum() + 0.7 * d.balance_loss + 0.3 * d.router_z_loss;
    };
    expect_gradient_matches(x, objective);
    expect_gradient_matches(router.weight, objective);
  }
}

}  // namespace
}  // namespace polymoe
