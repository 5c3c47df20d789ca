#include "polymoe/moe_layer.h"

#include <algorithm>
#include <numeric>

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace polymoe {
namespace {

MoeLayerOptions small_layer() {
  MoeLayerOptions options;
  options.hidden = 6;
  options.ffn = 10;
  options.experts = 4;
  return options;
}

std::string message_of(const MoeLayerOptions& options) {
  try {
    MoeLayer layer(options);
  } catch (const Error& error) {
    return error.what();
  }
  return "nothing is wrong";
}

TEST(LibraryMoeLayer, IsItsExpertsSumByHand) {
  MoeLayerOptions options = small_layer();
  options.top_k = 2;
  options.dropless = true;
  options.activation = MoeActivation::kGelu;
  MoeLayer layer(options);
  const auto p = layer->named_parameters();
  const at::Tensor x = at::randn({2, 3, 6});
  const at::Tensor y = layer(x);
  ASSERT_EQ(y.sizes(), x.sizes());
  const at::Tensor probabilities = at::softmax(at::linear(x.view({6, 6}), p["gate.weight"]), 1);
  const auto [weights, experts] = probabilities.topk(2, 1);
  for (std::int64_t t = 0; t < 6; ++t) {
    at::Tensor expected = at::zeros({6});
    for (std::int64_t j = 0; j < 2; ++j) {
      const std::int64_t e = experts[t][j].item<std::int64_t>();
      const at::Tensor inner =
          at::gelu(at::linear(x.view({6, 6})[t], p["experts.up_weight"][e], p["experts.up_bias"][e]));
      const at::Tensor out = at::linear(inner, p["experts.down_weight"][e], p["experts.down_bias"][e]);
      expected = expected + out * weights[t][j] / weights[t].sum();
    }
    EXPECT_TRUE(at::allclose(y.view({6, 6})[t], expected, 1e-5, 1e-5)) << "token " << t;
  }
}

TEST(LibraryMoeLayer, GradientsReachEveryParameterAndTheInput) {
  MoeLayer layer(small_layer());
  const at::Tensor x = at::randn({64, 6}).requires_grad_();
  ((layer(x) * at::randn({64, 6})).sum() + layer->balance_loss() + layer->router_z_loss()).backward();
  EXPECT_GT(x.grad().abs().sum().item<double>(), 0);
  for (const auto& parameter : layer->named_parameters()) {
    EXPECT_GT(parameter.value().grad().abs().sum().item<double>(), 0) << parameter.key();
  }
}

TEST(LibraryMoeLayer, CountsWhatEachExpertTook) {
  MoeLayerOptions options = small_layer();
  options.capacity_factor = 0.5;
  options.min_capacity = 1;
  options.record_load = true;
  MoeLayer layer(options);
  layer(at::randn({40, 6}));
  const ExpertLoad& load = layer->load();
  EXPECT_EQ(std::accumulate(load.assigned.begin(), load.assigned.end(), std::int64_t{0}), 40);
  for (std::size_t e = 0; e < 4; ++e) EXPECT_EQ(load.kept[e], std::min<std::int64_t>(load.assigned[e], 5)) << e;
}

TEST(LibraryMoeLayer, EqualSeedsGiveEqualLayers) {
  MoeLayerOptions options = small_layer();
  options.capacity_factor = 0.5;
  MoeLayer a(options), b(options);
  options.seed = 2;
  MoeLayer other(options);
  const at::Tensor x = at::randn({50, 6});
  EXPECT_TRUE(at::equal(a(x), b(x)));
  EXPECT_TRUE(at::equal(a(x), b(x)));
  EXPECT_FALSE(at::equal(a->named_parameters()["gate.weight"], other->named_parameters()["gate.weight"]));
}

TEST(LibraryMoeLayer, SigmoidRoutersMoveTheirBiasAtTheEndOfAnUpdate) {
  MoeLayerOptions options = small_layer();
  options.router = MoeRouter::kSigmoid;
  options.bias_rate = 0.25;
  MoeLayer layer(options);
  const at::Tensor bias = layer->named_buffers()["gate.bias"];
  {
    const at::NoGradGuard no_grad;
    layer->named_parameters()["gate.weight"].zero_();
    bias[2] = 1.0;
  }
  layer->eval();
  layer(at::randn({8, 6}));
  layer->end_update();  // passes of evaluation do not count
  EXPECT_EQ(bias[2].item<double>(), 1.0);
  layer->train();
  layer(at::randn({8, 6}));  // all to expert 2
  layer->end_update();
  EXPECT_EQ(bias[2].item<double>(), 0.75);
  EXPECT_EQ(bias[0].item<double>(), 0.25);
}

TEST(LibraryMoeLayer, TakesNoTokens) {
  MoeLayer layer(small_layer());
  EXPECT_EQ(layer(at::empty({0, 6})).sizes(), (std::vector<std::int64_t>{0, 6}));
  EXPECT_EQ(layer->balance_loss().item<double>(), 0);
}

TEST(LibraryMoeLayer, RefusesWhatCannotBe) {
  MoeLayerOptions options = small_layer();
  options.top_k = 5;
  EXPECT_THAT(message_of(options), ::testing::HasSubstr("5 experts for each token"));
  options = small_layer();
  options.experts = 0;
  EXPECT_THAT(message_of(options), ::testing::HasSubstr("0 experts"));
  options = small_layer();
  options.hidden = 0;
  EXPECT_THAT(message_of(options), ::testing::HasSubstr("model.hidden"));
  options = small_layer();
  options.router = MoeRouter::kExpertChoice;
  options.dropless = true;
  EXPECT_THAT(message_of(options), ::testing::HasSubstr("expert choice"));
  MoeLayer layer(small_layer());
  EXPECT_THROW(layer(at::zeros({3, 5})), Error);
  EXPECT_THROW(layer(at::zeros({3, 6}, at::kBFloat16)), Error);
  EXPECT_THROW(layer->load(), Error);
}

}  // namespace
}  // namespace polymoe
