#include "polymoe/inference/packed_model.h"

#include <cmath>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "polymoe/base/error.h"
#include "polymoe/inference/module_model.h"
#include "polymoe/parallel/parallel_model.h"
#include "polymoe/tensor/torch_headers.h"
#include "unit/inference/small_options.h"

namespace polymoe {
namespace {

// With norms, biases and routers' states that are not what training begins with.
Model initialized_model(const ModelOptions& options) {
  Model model = make_model(options);
  initialize(*model, 7);
  const at::NoGradGuard no_grad;
  at::manual_seed(11);
  for (auto& item : model->named_parameters()) {
    if (item.value().dim() == 1) item.value().add_(at::randn_like(item.value()) * 0.3);
  }
  for (auto& item : model->named_buffers()) item.value().add_(at::randn_like(item.value()));
  return model;
}

constexpr WeightFormats kInt4Experts(WeightFormat::kInt8, WeightFormat::kInt4);

const std::vector<std::vector<std::int32_t>> kSources{{5, 9, 11, 2}, {5, 33, 2}, {5, 60, 61, 62, 63, 64, 2}};

// Log probabilities of a few steps in which hypotheses and sentences change places and go.
std::vector<at::Tensor> follow(DecodingModel& model) {
  const std::int64_t beams = 2;
  const auto state = model.start(kSources, beams);
  std::vector<at::Tensor> steps;
  steps.push_back(state->step({4, 4, 4, 4, 4, 4}).clone());
  state->select({0, 0, 3, 2, 5, 4}, {0, 1, 2});
  steps.push_back(state->step({10, 11, 12, 13, 14, 15}).clone());
  state->select({5, 4, 1, 1}, {2, 0});
  steps.push_back(state->step({20, 21, 22, 23}).clone());
  state->select({3, 2}, {1});
  steps.push_back(state->step({30, 31}).clone());
  return steps;
}

struct Case {
  const char* name;
  void (*set)(ModelOptions& options);
};

class PackedModels : public ::testing::TestWithParam<Case> {};

TEST_P(PackedModels, ComputeWhatTheModulesDo) {
  ModelOptions options = small_options();
  GetParam().set(options);
  const Model model = initialized_model(options);
  ModuleModel modules(model);
  const std::vector<at::Tensor> expected = follow(modules), found = follow(*pack_model(*model, WeightFormat::kFloat32));
  ASSERT_EQ(found.size(), expected.size());
  for (std::size_t i = 0; i < found.size(); ++i) {
    EXPECT_TRUE(at::allclose(found[i], expected[i], 1e-4, 2e-5)) << i << " " << (found[i] - expected[i]).abs().max();
  }
}

INSTANTIATE_TEST_SUITE_P(Options, PackedModels,
                         ::testing::Values(Case{"Dense", [](ModelOptions&) {}},
                                           Case{"NormAfter", [](ModelOptions& o) { o.norm = NormOrder::kPost; }},
                                           Case{"Gelu", [](ModelOptions& o) { o.activation = Activation::kGelu; }},
                                           Case{"Swish", [](ModelOptions& o) { o.activation = Activation::kSwish; }},
                                           Case{"Foreign",
                                                [](ModelOptions& o) {
                                                  o.logits_bias = true;
                                                  o.embedding_scale = false;
                                                  o.position_offset = 2;
                                                  o.position_frequencies = PositionFrequencies::kPaper;
                                                }},
                                           Case{"Top1", [](ModelOptions& o) { o.moe.experts = 4; }},
                                           Case{"Top2Everywhere",
                                                [](ModelOptions& o) {
                                                  o.moe.experts = 5;
                                                  o.moe.every = 1;
                                                  o.moe.top_k = 2;
                                                  o.moe.output_scale = 0.8;
                                                }},
                                           Case{"Top3AsTheyAreNormAfter",
                                                [](ModelOptions& o) {
                                                  o.moe.experts = 5;
                                                  o.moe.top_k = 3;
                                                  o.moe.normalize_gates = false;
                                                  o.norm = NormOrder::kPost;
                                                }},
                                           Case{"Sigmoid",
                                                [](ModelOptions& o) {
                                                  o.moe.experts = 4;
                                                  o.moe.top_k = 2;
                                                  o.moe.router = RouterKind::kSigmoid;
                                                }},
                                           Case{"Shared",
                                                [](ModelOptions& o) {
                                                  o.moe.experts = 4;
                                                  o.moe.shared_experts = 2;
                                                  o.norm = NormOrder::kPost;
                                                }},
                                           Case{"ExpertsByLayer",
                                                [](ModelOptions& o) {
                                                  o.moe.experts = 4;
                                                  o.moe.experts_per_layer = {2, 3};
                                                }}),
                         [](const auto& info) { return info.param.name; });

TEST(PackedModel, AHypothesisDoesNotDependOnItsBatchBitForBit) {
  ModelOptions options = small_options();
  options.moe.experts = 4;
  options.moe.top_k = 2;
  const Model model = initialized_model(options);
  for (const WeightFormats formats : {WeightFormats(WeightFormat::kFloat32), WeightFormats(WeightFormat::kBFloat16),
                                      WeightFormats(WeightFormat::kInt8), kInt4Experts}) {
    const auto packed = pack_model(*model, formats);
    const auto together = packed->start(kSources, 1);
    const at::Tensor first = together->step({4, 6, 4}).clone();
    const at::Tensor second = together->step({8, 9, 10}).clone();
    const auto alone = packed->start({kSources[1]}, 1);
    EXPECT_TRUE(alone->step({6})[0].equal(first[1]));
    EXPECT_TRUE(alone->step({9})[0].equal(second[1]));
  }
}

TEST(PackedModel, TellsWhatHypothesesAttendTo) {
  const auto packed = pack_model(*initialized_model(small_options()), WeightFormat::kFloat32);
  ASSERT_TRUE(packed->gives_attention());
  const auto together = packed->start(kSources, 2), alone = packed->start({kSources[2]}, 1);
  for (DecodingState* state : {together.get(), alone.get()}) state->keep_attention();
  together->step({4, 4, 4, 4, 4, 4});
  together->select({5, 4, 1, 0}, {2, 0});
  together->step({10, 11, 12, 13});
  const auto attention = together->attention();
  ASSERT_EQ(attention.size(), 4u);
  for (std::size_t row = 0; row < 4; ++row) {
    ASSERT_EQ(attention[row].size(), kSources[row < 2 ? 2 : 0].size());
    float sum = 0.0f;
    for (const float weight : attention[row]) sum += weight;
    EXPECT_NEAR(sum, 1.0f, 1e-5f);
  }
  alone->step({4});
  alone->step({10});
  EXPECT_EQ(alone->attention()[0], attention[0]);
}

TEST(PackedModel, SmallWeightsGiveNearlyTheSame) {
  ModelOptions options = small_options();
  options.moe.experts = 2;
  const Model model = initialized_model(options);
  const std::vector<at::Tensor> exact = follow(*pack_model(*model, WeightFormat::kFloat32));
  const auto distance = [&](WeightFormats formats) {
    const std::vector<at::Tensor> rounded = follow(*pack_model(*model, formats));
    double furthest = 0.0;
    for (std::size_t i = 0; i < exact.size(); ++i) {
      furthest = std::max(furthest, (rounded[i] - exact[i]).abs().max().item<double>());
    }
    return furthest;
  };
  const double bfloat16 = distance(WeightFormat::kBFloat16), int8 = distance(WeightFormat::kInt8);
  const double int4 = distance(kInt4Experts);
  EXPECT_GT(bfloat16, 0.0);
  EXPECT_LT(bfloat16, 0.1);  // of log probabilities that range over several
  EXPECT_GT(int8, 0.0);
  EXPECT_LT(int8, 0.3);
  EXPECT_NE(int4, int8);
  EXPECT_LT(int4, 0.6);
}

TEST(PackedModel, HoldsItsWeightsOnce) {
  ModelOptions options = small_options();
  options.hidden = 64;
  options.heads = 4;
  options.ffn = 128;
  options.vocabulary = 128;
  const Model model = initialized_model(options);
  const std::int64_t parameters = count_parameters(*model).total;
  const std::int64_t positions = options.max_positions * options.hidden;
  EXPECT_LE(pack_model(*model, WeightFormat::kFloat32)->bytes(), 4 * (parameters + positions));
  EXPECT_LE(pack_model(*model, WeightFormat::kBFloat16)->bytes(), 4 * positions + parameters * 21 / 10);
  EXPECT_LE(pack_model(*model, WeightFormat::kInt8)->bytes(), 4 * positions + parameters * 13 / 10);
}

TEST(PackedModel, ExpertsOfInt4TakeFourAndAHalfBits) {
  ModelOptions options = small_options();
  options.hidden = 64;
  options.heads = 4;
  options.ffn = 128;
  const auto bytes = [&](std::int64_t experts) {
    options.moe.experts = experts;
    return pack_model(*initialized_model(options), kInt4Experts)->bytes();
  };
  const std::int64_t weights = 2 * options.ffn * options.hidden, biases = 4 * (options.ffn + options.hidden);
  const std::int64_t of_expert = weights / 2 + weights / 32 * 2 + biases;
  constexpr std::int64_t kLayers = 2;  // whose gates fill one panel, with four experts and with six
  EXPECT_EQ(bytes(6) - bytes(4), kLayers * 2 * of_expert);
}

TEST(ReadLinear, RefusesWhatDoesNotFitTogether) {
  const at::Tensor scales = at::ones({4, 2}, at::kBFloat16);
  std::map<std::string, at::Tensor> tensors{
      {"w", at::zeros({4, 32}, at::kByte)}, {"w.scales", scales}, {"b", at::zeros({4})}};
  const WeightReader read = [&](const std::string& name) {
    return tensors.count(name) > 0 ? tensors.at(name) : at::Tensor();
  };
  EXPECT_EQ(read_linear(read, "w", "b").inputs(), 64);
  const auto refused_with = [&](const std::string& name, const at::Tensor& tensor) {
    const at::Tensor before = std::exchange(tensors[name], tensor);
    EXPECT_THROW(read_linear(read, "w", "b"), Error) << name;
    tensors[name] = before;
  };
  refused_with("w.scales", at::Tensor());
  refused_with("w.scales", at::ones({2, 4}, at::kBFloat16));
  refused_with("w.scales", at::ones({4, 2}, at::kLong));
  refused_with("w.scales", scales / 0.0);
  refused_with("b", at::zeros({3}));
  refused_with("w", at::zeros({4, 32}, at::kChar));
}

TEST(PackedModel, RefusesWeightsThatCannotBeRounded) {
  ModelOptions options = small_options();
  options.moe.experts = 2;
  const Model model = initialized_model(options);
  {
    const at::NoGradGuard no_grad;
    for (auto& item : model->named_parameters()) {
      if (item.key().find("experts.up_weight") != std::string::npos) item.value().view(-1)[0] = NAN;
    }
  }
  EXPECT_NO_THROW(pack_model(*model, WeightFormat::kFloat32));
  EXPECT_THROW(pack_model(*model, WeightFormat::kInt8), Error);
  EXPECT_THROW(pack_model(*model, kInt4Experts), Error);
}

TEST(PackedModel, RefusesWhatItCannotCompute) {
  ModelOptions options = small_options();
  const auto packed = pack_model(*make_model(options), WeightFormat::kFloat32);
  EXPECT_THROW(packed->start({std::vector<std::int32_t>(13, 5)}, 1), Error);
  const auto state = packed->start({kSources[0]}, 1);
  for (int i = 0; i < 12; ++i) state->step({5});
  EXPECT_THROW(state->step({5}), Error);
  EXPECT_THROW(packed->start({{70}}, 1), Error);

  options.moe.experts = 2;
  options.moe.side = MoeSide::kEncoder;
  options.moe.router = RouterKind::kExpertChoice;
  EXPECT_FALSE(can_pack(options));
  EXPECT_THROW(pack_model(*make_model(options), WeightFormat::kFloat32), Error);
}

}  // namespace
}  // namespace polymoe
