#include "polymoe/nn/moe/sigmoid_router.h"

#include <cmath>

#include <gtest/gtest.h>

#include "polymoe/tensor/torch_headers.h"
#include "support/device.h"
#include "unit/nn/gradient_check.h"

namespace polymoe {
namespace {

MoeOptions sigmoid_options(std::int64_t experts, std::int64_t top_k) {
  MoeOptions options;
  options.router = RouterKind::kSigmoid;
  options.experts = experts;
  options.top_k = top_k;
  options.bias_rate = 0.25;
  return options;
}

// Logits of odds 1 : 1, 3 : 1, 4 : 1 and 1 : 3 for four experts: sigmoids 0.5, 0.75, 0.8 and 0.25.
at::Tensor scored_token() {
  return on_device(at::tensor({0.0, std::log(3.0), std::log(4.0), -std::log(3.0)}).to(at::kFloat).view({1, 4}));
}

struct Routed {
  SigmoidRouter router;

  explicit Routed(const MoeOptions& options) : router(options.experts, options, "layer") {
    const at::NoGradGuard no_grad;
    router.weight.copy_(at::eye(options.experts));
    router.to(test_device());
  }
};

TEST(SigmoidRouter, TheBiasChoosesAndTheSigmoidScales) {
  Routed routed(sigmoid_options(4, 2));
  RouterOutput output = routed.router.forward(scored_token(), ForwardContext{});
  EXPECT_TRUE(at::equal(output.routing.assignments.expert_ids.cpu(), at::tensor({2, 1}, at::kLong).view({1, 2})));
  EXPECT_NEAR(output.weights[0][0].item<double>(), 0.8 / 1.55, tolerance(1e-6));
  EXPECT_NEAR(output.weights[0][1].item<double>(), 0.75 / 1.55, tolerance(1e-6));
  EXPECT_TRUE(at::equal(output.load.cpu(), at::tensor({0, 1, 1, 0}, at::kLong)));
  // Normalised, the sigmoids are 0.5, 0.75, 0.8 and 0.25 by 2.3; half the choices fell on expert 1, half on 2.
  EXPECT_NEAR(output.balance_loss.item<double>(), 4 * 0.5 * 1.55 / 2.3, tolerance(1e-6));
  EXPECT_FALSE(output.balance_loss.requires_grad()) << "a measure, not a loss";

  routed.router.bias.copy_(at::tensor({0.4, 0.0, -0.3, 0.0}));
  output = routed.router.forward(scored_token(), ForwardContext{});
  // 0.9, 0.75, 0.5 and 0.25 choose.
  EXPECT_TRUE(at::equal(output.routing.assignments.expert_ids.cpu(), at::tensor({0, 1}, at::kLong).view({1, 2})));
  EXPECT_NEAR(output.weights[0][0].item<double>(), 0.5 / 1.25, tolerance(1e-6));
}

TEST(SigmoidRouter, TheBiasFollowsTheLoad) {
  Routed routed(sigmoid_options(4, 1));
  EXPECT_TRUE(routed.router.follows_load());
  routed.router.follow(at::tensor({10, 5, 5, 0}, at::kLong));
  EXPECT_TRUE(at::equal(routed.router.bias.cpu(), at::tensor({-0.25f, 0.0f, 0.0f, 0.25f})));
  routed.router.follow(at::tensor({6, 6, 6, 5}, at::kLong));
  EXPECT_TRUE(at::equal(routed.router.bias.cpu(), at::tensor({-0.5f, -0.25f, -0.25f, 0.5f})));
}

TEST(SigmoidRouter, TheBiasEvensTheLoadOut) {
  MoeOptions options = sigmoid_options(4, 1);
  options.bias_rate = 0.02;
  Routed routed(options);
  torch::manual_seed(2);
  const at::Tensor x = on_device(at::randn({512, 4}) + at::tensor({1.0, 0.5, 0.0, -0.5}));
  const auto most = [&] { return routed.router.forward(x, ForwardContext{}).load.max().item<std::int64_t>(); };
  EXPECT_GT(most(), 220);
  for (int update = 0; update < 60; ++update) {
    routed.router.follow(routed.router.forward(x, ForwardContext{}).load.cpu());
  }
  EXPECT_LT(most(), 160) << "128 are an even share";
}

TEST(SigmoidRouter, GradientsMatchFiniteDifferences) {
  for (const bool normalize : {true, false}) {
    MoeOptions options = sigmoid_options(4, 3);
    options.min_capacity = 1;
    options.capacity_factor = 0.7;  // some assignments are dropped
    options.normalize_gates = normalize;
    SigmoidRouter router(5, options, "layer");
    router.to(test_device());
    router.weight.set_data(on_device(at::randn({4, 5}, at::kDouble)));
    const at::Tensor x = on_device(at::randn({6, 5}, at::kDouble)).requires_grad_();
    const at::Tensor scale = on_device(at::randn({6, 3}, at::kDouble));
    const auto objective = [&] {
      ForwardContext context;
      context.training = true;
      const RouterOutput output = router.forward(x, context);
      return (output.weights * scale).sum() + 0.3 * output.router_z_loss;
    };
    expect_gradient_matches(x, objective);
    expect_gradient_matches(router.weight, objective);
  }
}

}  // namespace
}  // namespace polymoe
