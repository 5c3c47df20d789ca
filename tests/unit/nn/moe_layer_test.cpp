#include "polymoe/config/model_options.h"
#include "polymoe/nn/moe/dispatcher.h"
#include "polymoe/nn/moe/layer.h"

#include <cmath>

#include <gtest/gtest.h>

#include "polymoe/nn/moe/capacity.h"
#include "polymoe/nn/moe/statistics.h"
#include "polymoe/nn/partition.h"
#include "polymoe/tensor/torch_headers.h"
#include "support/device.h"
#include "unit/nn/gradient_check.h"

namespace polymoe {
namespace {

ModelOptions layer_options(std::int64_t experts, std::int64_t top_k) {
  ModelOptions options;
  options.hidden = 6;
  options.ffn = 10;
  options.moe.experts = experts;
  options.moe.top_k = top_k;
  options.moe.capacity = CapacityKind::kDropless;
  return options;
}

MoeLayer make_layer(const ModelOptions& options, at::ScalarType type = at::kFloat) {
  MoeLayer layer(options, "layer", Partition{});
  initialize(*layer, 5);
  const at::NoGradGuard no_grad;
  for (auto& p : layer->parameters()) p.set_data(on_device(at::randn_like(p).mul_(0.5).to(type)));
  return layer;
}

at::Tensor parameter(MoeLayer& layer, const std::string& name) { return layer->named_parameters()[name]; }

// The layer as its definition says, token after token.
at::Tensor oracle(MoeLayer& layer, const at::Tensor& x, const ModelOptions& options, const ForwardContext& context) {
  const std::int64_t tokens = x.size(0), top_k = options.moe.top_k;
  const at::Tensor p = at::softmax(at::linear(x, parameter(layer, "gate.weight")), 1);
  const at::Tensor ids = std::get<1>(p.topk(top_k, 1));
  const std::int64_t capacity = expert_capacity(options.moe, tokens, context.training);
  const ExpertLimit limit{.capacity = capacity,
                          .selection = {options.moe.random_token_selection, context.random_key("layer.selection")}};
  const Routing routing = make_routing({options.moe.experts, ids.contiguous(), {}}, limit);
  std::vector<at::Tensor> rows;
  for (std::int64_t t = 0; t < tokens; ++t) {
    at::Tensor sum = at::zeros_like(x[t]);
    at::Tensor total = at::zeros({}, x.options());
    for (std::int64_t j = 0; j < top_k; ++j) {
      if (routing.slot_of[t][j].item<std::int64_t>() < 0) continue;
      const std::int64_t e = ids[t][j].item<std::int64_t>();
      const at::Tensor inner =
          activate(at::linear(x[t], parameter(layer, "experts.up_weight")[e], parameter(layer, "experts.up_bias")[e]),
                   options.activation);
      const at::Tensor y =
          at::linear(inner, parameter(layer, "experts.down_weight")[e], parameter(layer, "experts.down_bias")[e]);
      sum = sum + p[t][e] * y;
      total = total + p[t][e];
    }
    const bool divide = top_k > 1 && options.moe.normalize_gates && total.item<double>() > 0;
    rows.push_back(divide ? sum / total : sum);
  }
  return at::stack(rows);
}

TEST(MoeLayer, ScalesTheRoutedExpertsOutputAlone) {
  ModelOptions options = layer_options(4, 2);
  MoeLayer layer = make_layer(options);
  options.moe.output_scale = 0.75;
  MoeLayer scaled(options, "layer", Partition{});
  const at::NoGradGuard no_grad;
  for (auto& item : scaled->named_parameters()) item.value().set_data(parameter(layer, item.key()));
  const at::Tensor x = on_device(at::randn({9, 6}));
  ForwardContext context, other;
  EXPECT_TRUE(close(scaled(x, other), layer(x, context) * 0.75, 1e-6, 1e-7));
}

TEST(MoeLayer, EqualsTheLoopOverTokens) {
  for (const char* activation : {"relu", "gelu", "swish"}) {
    for (const std::int64_t top_k : {1, 2, 4}) {
      for (const char* capacity : {"dropless", "limited"}) {
        ModelOptions options = layer_options(4, top_k);
        options.activation = from_word<Activation>(activation);
        options.moe.capacity = from_word<CapacityKind>(capacity);
        options.moe.capacity_factor = 0.5;  // some tokens are dropped
        options.moe.min_capacity = 1;
        MoeLayer layer = make_layer(options);
        const at::Tensor x = on_device(at::randn({33, 6}));
        ForwardContext context;
        context.training = true;
        const at::Tensor expected = oracle(layer, x, options, context);
        // Sums of 10 products in float32, in another order: 1e-5 relative.
        EXPECT_TRUE(close(layer(x, context), expected, 1e-5, 1e-5))
            << activation << " top-" << top_k << " " << capacity;
      }
    }
  }
}

TEST(MoeLayer, GradientsMatchFiniteDifferences) {
  for (const std::int64_t top_k : {1, 2, 3}) {
    for (const char* capacity : {"dropless", "limited"}) {
      ModelOptions options = layer_options(3, top_k);
      options.activation = Activation::kGelu;  // ReLU has a corner that differences may step over
      options.moe.capacity = from_word<CapacityKind>(capacity);
      options.moe.capacity_factor = 0.6;
      options.moe.min_capacity = 1;
      MoeLayer layer = make_layer(options, at::kDouble);
      const at::Tensor x = on_device(at::randn({7, 6}, at::kDouble)).requires_grad_();
      const at::Tensor scale = on_device(at::randn({7, 6}, at::kDouble));
      const auto objective = [&] {
        ForwardContext context;
        context.training = true;
        ForwardOutputs outputs;
        context.outputs = &outputs;
        const at::Tensor y = layer(x, context);
        return (y * scale).sum() + outputs.balance_losses[0];
      };
      expect_gradient_matches(x, objective);
      for (auto& p : layer->parameters()) expect_gradient_matches(p, objective);
    }
  }
}

TEST(MoeLayer, Float32KernelsGiveTheGradientsOfTheReference) {
  // In float64 the layer runs on LibTorch's own functions, in float32 on our kernels (on a CPU).
  ModelOptions options = layer_options(4, 2);
  options.moe.capacity = CapacityKind::kLimited;
  options.moe.capacity_factor = 0.6;
  MoeLayer single = make_layer(options);
  MoeLayer reference = make_layer(options, at::kDouble);
  auto from = single->named_parameters(), to = reference->named_parameters();
  for (auto& item : to) item.value().set_data(from[item.key()].to(at::kDouble));
  const at::Tensor x = on_device(at::randn({40, 6}));
  const at::Tensor scale = on_device(at::randn({40, 6}));
  const at::Tensor xf = x.clone().requires_grad_(), xd = x.to(at::kDouble).requires_grad_();
  ForwardContext a, b;
  a.training = b.training = true;
  (single(xf, a) * scale).sum().backward();
  (reference(xd, b) * scale.to(at::kDouble)).sum().backward();
  EXPECT_TRUE(close(xf.grad().to(at::kDouble), xd.grad(), 1e-4, 1e-5));
  for (auto& item : to) {
    EXPECT_TRUE(close(from[item.key()].grad().to(at::kDouble), item.value().grad(), 1e-4, 1e-5)) << item.key();
  }
}

TEST(MoeLayer, DroppedTokensGetZeros) {
  ModelOptions options = layer_options(2, 1);
  options.moe.capacity = CapacityKind::kLimited;
  options.moe.capacity_factor = 0.01;
  options.moe.min_capacity = 1;
  MoeLayer layer = make_layer(options);
  ForwardContext context;
  context.training = true;
  const at::Tensor y = layer(on_device(at::randn({20, 6})), context);
  const std::int64_t rows_with_values = (y.abs().sum(1) > 0).sum().item<std::int64_t>();
  EXPECT_GE(rows_with_values, 1);
  EXPECT_LE(rows_with_values, 2);
}

TEST(MoeLayer, OneExpertIsTheDenseBlock) {
  const ModelOptions options = layer_options(1, 1);
  MoeLayer layer = make_layer(options);
  const at::Tensor x = on_device(at::randn({9, 6}));
  ForwardContext context;
  const at::Tensor inner =
      at::relu(at::linear(x, parameter(layer, "experts.up_weight")[0], parameter(layer, "experts.up_bias")[0]));
  const at::Tensor expected =
      at::linear(inner, parameter(layer, "experts.down_weight")[0], parameter(layer, "experts.down_bias")[0]);
  EXPECT_TRUE(close(layer(x, context), expected, 1e-5, 1e-6));
}

TEST(MoeLayer, RandomTokenSelectionDependsOnUpdateAndMicroBatch) {
  ModelOptions options = layer_options(2, 1);
  options.moe.capacity = CapacityKind::kLimited;
  options.moe.capacity_factor = 0.3;
  MoeLayer layer = make_layer(options);
  const at::Tensor x = on_device(at::randn({200, 6}));
  ForwardContext first, same, other;
  first.training = same.training = other.training = true;
  other.micro_batch = 1;
  const at::Tensor y = layer(x, first);
  EXPECT_TRUE(at::equal(y, layer(x, same)));
  EXPECT_FALSE(at::equal(y, layer(x, other)));
}

TEST(MoeLayer, BFloat16IsCloseToFloat32) {
  const ModelOptions options = layer_options(4, 1);
  MoeLayer layer = make_layer(options);
  const at::Tensor x = on_device(at::randn({64, 6}));
  ForwardContext context;
  const at::Tensor exact = layer(x, context);
  for (auto& item : layer->named_parameters()) {
    if (item.key() != "gate.weight") item.value().set_data(item.value().to(at::kBFloat16));
  }
  const at::Tensor rounded = layer(x.to(at::kBFloat16), context).to(at::kFloat);
  // bfloat16 keeps 8 bits: products of two rounded numbers are off by up to 2^-8 each; sums of 10 of size about 1.
  // Tokens whose two best experts are nearly tied may go elsewhere: compare the median.
  EXPECT_LT((exact - rounded).abs().median().item<double>(), 0.02);
}

TEST(LocalDispatcher, NamesSlotsByExpertAndTheirOrderInIt) {
  const ModelOptions options = layer_options(4, 1);
  const at::Tensor ids = on_device(at::tensor({3, 1, 3, 3, 1}, at::kLong).view({5, 1}));
  const Routing routing = make_routing({options.moe.experts, ids, {}}, {});
  LocalDispatcher dispatcher;
  const auto dispatch = dispatcher.dispatch(on_device(at::randn({5, 6})), routing, /*micro_batch=*/6);
  const std::vector<SlotSegment> segments = dispatch->receive(0).segments;
  ASSERT_EQ(segments.size(), 2u) << "one for each expert with slots";
  EXPECT_EQ(segments[0].begin, 0);
  EXPECT_EQ(segments[0].count, 2);
  EXPECT_EQ(segments[0].first_name, first_slot_name(1));
  EXPECT_EQ(segments[1].begin, 2);
  EXPECT_EQ(segments[1].count, 3);
  EXPECT_EQ(segments[1].first_name, first_slot_name(3));
  EXPECT_EQ(segments[1].micro_batch, 6u);
}

TEST(Experts, DropoutKnowsASlotByItsMicroBatchAndName) {
  ModelOptions options = layer_options(2, 1);
  options.activation_dropout = 0.5;
  Experts experts(options, "experts", Partition{});
  initialize(*experts, 1);
  on_device(experts);
  const ExpertWeights weights = experts->split({2}).front();
  ForwardContext context;
  context.training = true;
  // Three slots of micro-batch 4, three of 5: one of expert 0, two of expert 1.
  const at::Tensor x = on_device(at::randn({6, 6}));
  const auto alone = [&](std::int64_t first, std::uint64_t micro_batch) {
    return experts(
        ExpertInputs{x.narrow(0, first, 3),
                     at::tensor({0, 1, 3}, at::kLong),
                     {{0, 0, 1, micro_batch, first_slot_name(0)}, {1, 1, 2, micro_batch, first_slot_name(1)}}},
        weights, context);
  };
  const at::Tensor order = on_device(at::tensor({0, 3, 1, 2, 4, 5}, at::kLong));
  const at::Tensor together = experts(ExpertInputs{x.index_select(0, order),
                                                   at::tensor({0, 2, 6}, at::kLong),
                                                   {{0, 0, 1, 4, first_slot_name(0)},
                                                    {0, 1, 1, 5, first_slot_name(0)},
                                                    {1, 2, 2, 4, first_slot_name(1)},
                                                    {1, 4, 2, 5, first_slot_name(1)}}},
                                      weights, context);
  const at::Tensor expected = at::cat({alone(0, 4), alone(3, 5)}).index_select(0, order);
  // The same products of the same shapes; but rows of six float32 lie at other alignments, which may round otherwise.
  EXPECT_TRUE(close(together, expected, 1e-5, 1e-6));
  EXPECT_FALSE(at::allclose(alone(0, 4), alone(0, 5), 1e-3, 1e-3)) << "another micro-batch, another mask";
}

TEST(Capacity, FollowsTheFormula) {
  MoeOptions options;
  options.experts = 8;
  options.capacity_factor = 1.25;
  options.eval_capacity_factor = 2.0;
  options.min_capacity = 4;
  EXPECT_EQ(expert_capacity(options, 100, true), 16);   // ceil(100 / 8 * 1.25) = ceil(15.625)
  EXPECT_EQ(expert_capacity(options, 100, false), 25);  // 12.5 * 2
  EXPECT_EQ(expert_capacity(options, 8, true), 4);      // the minimum
  options.top_k = 2;
  EXPECT_EQ(expert_capacity(options, 100, true), 32);  // ceil(31.25)
  options.capacity = CapacityKind::kDropless;
  EXPECT_EQ(expert_capacity(options, 100, true), 0);
}

TEST(Capacity, TakesTheFactorAsADecimal) {
  MoeOptions options;
  options.experts = 4;
  options.min_capacity = 1;
  options.capacity_factor = 1.1;  // a little more in binary: 55.000000000000007
  EXPECT_EQ(expert_capacity(options, 200, true), 55);
  EXPECT_EQ(expert_capacity(options, 201, true), 56);
  // Against whole numbers: ceil(top_k * tokens * percent / (100 * experts)).
  for (const std::int64_t percent : {50, 70, 90, 105, 110, 115, 130, 140, 220}) {
    for (const std::int64_t experts : {2, 3, 7, 8, 12, 64}) {
      options.experts = experts;
      options.capacity_factor = static_cast<double>(percent) / 100;
      for (std::int64_t tokens = 1; tokens < 3000; ++tokens) {
        const std::int64_t exact = (tokens * percent + 100 * experts - 1) / (100 * experts);
        ASSERT_EQ(expert_capacity(options, tokens, true), exact) << tokens << " " << percent << " " << experts;
      }
    }
  }
}

TEST(Capacity, GrowsOrShrinksWithTheUpdateAlone) {
  MoeOptions options;
  options.experts = 8;
  options.capacity_factor = 2.0;
  options.final_capacity_factor = 0.5;
  options.capacity_updates = 100;
  EXPECT_EQ(capacity_factor_at(options, 0), 2.0);
  EXPECT_EQ(capacity_factor_at(options, 50), 1.25);
  EXPECT_EQ(capacity_factor_at(options, 100), 0.5);
  EXPECT_EQ(capacity_factor_at(options, 1000), 0.5);
  EXPECT_EQ(expert_capacity(options, 800, true, 50), 125);
  EXPECT_EQ(expert_capacity(options, 800, false, 50), 200) << "evaluation has a factor of its own";
  options.final_capacity_factor = 3.0;
  EXPECT_EQ(expert_capacity(options, 800, true, 50), 250);
}

TEST(Capacity, OfEvaluationDropsFewerTokensThanThatOfTraining) {
  ModelOptions options = layer_options(4, 1);
  options.moe.capacity = CapacityKind::kLimited;
  options.moe.capacity_factor = 0.25;
  options.moe.eval_capacity_factor = 4.0;
  options.moe.min_capacity = 1;
  MoeLayer layer = make_layer(options);
  const at::Tensor x = on_device(at::randn({64, 6}));
  const auto rows_with_output = [&](bool training) {
    ForwardContext context;
    context.training = training;
    return (layer(x, context).abs().sum(1) > 0).sum().item<std::int64_t>();
  };
  EXPECT_LE(rows_with_output(true), 16);   // 4 experts of 64 / 4 * 0.25 = 4 tokens
  EXPECT_EQ(rows_with_output(false), 64);  // each expert has room for all
}

TEST(MoeLayer, MaskingTakesTheExpertsOutputFromSomeTokensInTrainingAlone) {
  ModelOptions options = layer_options(4, 2);
  const at::Tensor x = on_device(at::randn({2000, 6}));
  MoeLayer plain = make_layer(options);
  options.moe.output_masking = 0.2;
  MoeLayer masking = make_layer(options);
  auto from = plain->named_parameters(), to = masking->named_parameters();
  for (auto& item : to) item.value().set_data(from[item.key()]);
  ForwardContext context;
  context.training = true;
  const at::Tensor whole = plain(x, context), masked = masking(x, context);
  const at::Tensor zero = masked.abs().sum(1) == 0;
  // 400 of 2000 are expected, with a standard deviation of 18.
  EXPECT_NEAR(zero.sum().item<double>(), 400, 90);
  const at::Tensor kept = at::nonzero(zero.logical_not()).squeeze(1);
  EXPECT_TRUE(close(masked.index_select(0, kept), whole.index_select(0, kept) / 0.8, 1e-5, 1e-6));

  EXPECT_TRUE(at::equal(masking(x, context), masked)) << "the same coordinates, the same mask";
  context.update = 1;
  EXPECT_FALSE(at::equal(masking(x, context).abs().sum(1) == 0, zero)) << "another update, another mask";
  context.training = false;
  EXPECT_TRUE(at::equal(masking(x, context), plain(x, context)));
}

TEST(MoeLayer, MaskedTokensGiveTheExpertsNoGradient) {
  ModelOptions options = layer_options(3, 1);
  options.moe.output_masking = 0.5;
  MoeLayer layer = make_layer(options);
  const at::Tensor x = on_device(at::randn({50, 6})).requires_grad_();
  ForwardContext context;
  context.training = true;
  const at::Tensor y = layer(x, context);
  y.sum().backward();
  const at::Tensor masked = y.detach().abs().sum(1) == 0;
  EXPECT_GT(masked.sum().item<std::int64_t>(), 0);
  EXPECT_EQ(x.grad().abs().sum(1).masked_select(masked).max().item<float>(), 0.0f);
}

TEST(MoeLayer, SharedExpertsServeEveryTokenDroppedOnesToo) {
  ModelOptions options = layer_options(4, 1);
  options.moe.capacity = CapacityKind::kLimited;
  options.moe.capacity_factor = 0.25;
  options.moe.min_capacity = 1;
  options.moe.shared_experts = 2;
  MoeLayer layer = make_layer(options);
  EXPECT_EQ(parameter(layer, "shared.up.weight").sizes().vec(), (std::vector<std::int64_t>{20, 6}));
  options.moe.shared_experts = 0;
  MoeLayer routed = make_layer(options);
  auto from = layer->named_parameters(), to = routed->named_parameters();
  for (auto& item : to) item.value().set_data(from[item.key()]);
  const at::Tensor x = on_device(at::randn({40, 6}));
  ForwardContext context;
  context.training = true;
  // Two experts of 10 each are one block of 20.
  const at::Tensor inner =
      at::relu(at::linear(x, parameter(layer, "shared.up.weight"), parameter(layer, "shared.up.bias")));
  const at::Tensor shared =
      at::linear(inner, parameter(layer, "shared.down.weight"), parameter(layer, "shared.down.bias"));
  EXPECT_TRUE(close(layer(x, context), routed(x, context) + shared, 1e-5, 1e-6));
}

TEST(MoeStatistics, CountsLoadDropsAndEntropyByLanguage) {
  ModelOptions options = layer_options(2, 1);
  options.hidden = 2;
  options.moe.capacity = CapacityKind::kLimited;
  options.moe.eval_capacity_factor = 0.75;
  options.moe.min_capacity = 1;
  options.moe.random_token_selection = false;
  MoeLayer layer(options, "layer", Partition{});
  initialize(*layer, 5);
  {
    const at::NoGradGuard no_grad;
    parameter(layer, "gate.weight").copy_(at::eye(2));
  }
  on_device(layer);
  MoeStatistics statistics;
  ForwardContext context;
  ForwardOutputs outputs;
  outputs.statistics = &statistics;
  context.outputs = &outputs;
  context.token_languages = {7, 7, 9, 9};
  // Tokens 0, 1 and 2 want expert 0, which holds ceil(4 / 2 * 0.75) = 2: token 2 is dropped.
  layer(on_device(at::tensor({50.0, 0.0, 50.0, 0.0, 50.0, 0.0, 0.0, 50.0}).to(at::kFloat).view({4, 2})), context);
  const auto& languages = statistics.layers().at("layer");
  EXPECT_EQ(languages.at(7).tokens, 2);
  EXPECT_EQ(languages.at(7).assigned, (std::vector<std::int64_t>{2, 0}));
  EXPECT_EQ(languages.at(7).dropped(), 0);
  EXPECT_EQ(languages.at(9).assigned, (std::vector<std::int64_t>{1, 1}));
  EXPECT_EQ(languages.at(9).kept, (std::vector<std::int64_t>{0, 1}));
  EXPECT_EQ(languages.at(9).dropped(), 1);
  EXPECT_NEAR(languages.at(9).entropy, 0.0, 1e-6);
  EXPECT_EQ(languages.at(7).first, (std::vector<std::int64_t>{2, 0}));
  EXPECT_EQ(languages.at(9).first, (std::vector<std::int64_t>{1, 1})) << "before the capacity, as assigned";
  EXPECT_NEAR(languages.at(7).confidence.at(0), 2.0, 1e-6);
  EXPECT_NEAR(languages.at(7).confidence.at(1), 0.0, 1e-6);
  // Four tokens stand in tenths 0, 2, 5 and 7 of the batch.
  const PositionUsage& positions = statistics.positions().at("layer");
  EXPECT_EQ(positions.assigned, (std::array<std::int64_t, 10>{1, 0, 1, 0, 0, 1, 0, 1, 0, 0}));
  EXPECT_EQ(positions.dropped, (std::array<std::int64_t, 10>{0, 0, 0, 0, 0, 1, 0, 0, 0, 0}));
}

}  // namespace
}  // namespace polymoe
