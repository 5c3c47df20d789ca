#include <cmath>
#include <tuple>
#include <vector>

#include <gtest/gtest.h>

#include "polymoe/base/error.h"
#include "polymoe/config/train_options.h"
#include "polymoe/nn/linear.h"
#include "polymoe/optim/adam.h"
#include "polymoe/optim/loss_scale.h"
#include "polymoe/optim/schedule.h"
#include "polymoe/optim/square_sum.h"
#include "polymoe/tensor/torch_headers.h"
#include "support/device.h"

namespace polymoe {
namespace {

struct TwoLayersImpl : torch::nn::Module {
  TwoLayersImpl() {
    first = register_module("first", ColumnLinear(3, 5, std::make_shared<ModelAxis>()));
    second = register_module("second", RowLinear(5, 2, std::make_shared<ModelAxis>()));
    initialize(*this, 1);
  }
  at::Tensor forward(const at::Tensor& x) { return second(first(x)); }
  ColumnLinear first{nullptr};
  RowLinear second{nullptr};
};
TORCH_MODULE(TwoLayers);

struct OneWeightImpl : torch::nn::Module {
  at::Tensor weight = register_parameter("weight", at::ones({1, 1}));
};
TORCH_MODULE(OneWeight);

TwoLayers two_layers(at::ScalarType type = at::kFloat) {
  TwoLayers model;
  model->to(test_device(), type);
  return model;
}

OptimizerOptions plain_options() {
  OptimizerOptions options;
  options.clip_norm = 0;
  options.weight_decay = 0.1;
  return options;
}

TEST(ParameterStore, ParametersAndGradientsAreViewsOfTheBuffers) {
  TwoLayers model = two_layers();
  const at::Tensor before = model->first->weight.detach().clone();
  ParameterStore store(*model);
  ASSERT_EQ(store.units().size(), 1u);
  ParameterUnit& unit = store.units()[0];
  EXPECT_TRUE(at::equal(model->first->weight, before));
  model(on_device(at::ones({1, 3}))).sum().backward();
  const FlatParameter& weight = unit.parameters[0];
  EXPECT_TRUE(at::equal(view_in(unit.gradients, weight), model->first->weight.grad()));
  EXPECT_GT(unit.gradients.abs().sum().item<double>(), 0.0);
  unit.values.fill_(2.0);
  EXPECT_EQ(model->first->weight[0][0].item<float>(), 2.0f);
}

TEST(ParameterStore, GradientsAccumulateUntilTheyAreCleared) {
  TwoLayers model = two_layers();
  ParameterStore store(*model);
  model(on_device(at::ones({1, 3}))).sum().backward();
  const at::Tensor once = store.units()[0].gradients.clone();
  model(on_device(at::ones({1, 3}))).sum().backward();
  EXPECT_TRUE(close(store.units()[0].gradients, 2 * once, 1e-5, 1e-8));
  store.zero_gradients();
  EXPECT_EQ(store.units()[0].gradients.abs().sum().item<float>(), 0.0f);
}

// Those of low precision are not set to zero at the beginning of an update: the first that come take their place.
TEST(ParameterStore, LowPrecisionGradientsOfAnUpdateAreItsOwn) {
  TwoLayers model = two_layers(at::kBFloat16);
  ParameterStore store(*model);
  ParameterUnit& unit = store.units()[0];
  const auto pass = [&](double scale) {
    (model(on_device(at::ones({1, 3}, at::kBFloat16))).sum() * scale).backward();
    ParameterStore::collect_gradients(unit);
  };
  store.zero_gradients();
  pass(1.0);
  const at::Tensor once = unit.gradients.clone();
  EXPECT_GT(once.abs().sum().item<double>(), 0.0);
  pass(2.0);
  EXPECT_TRUE(close(unit.gradients, 3 * once, 1e-2, 1e-6));
  store.zero_gradients();
  unit.gradients.fill_(std::nan(""));  // whatever is there counts for nothing, between the parameters too
  pass(1.0);
  EXPECT_TRUE(at::equal(unit.gradients, once));
  store.zero_gradients();
  ParameterStore::collect_gradients(unit);
  EXPECT_EQ(unit.gradients.abs().sum().item<double>(), 0.0) << "no gradient came";
}

// One collection of bfloat16 gradients is exact in bfloat16: half of the memory, and the same update.
TEST(ParameterStore, NarrowGradientsMakeTheSameUpdate) {
  Tiers narrow_tiers;
  narrow_tiers.narrow_gradients = true;
  TwoLayers wide = two_layers(at::kBFloat16), narrow = two_layers(at::kBFloat16);
  ParameterStore wide_store(*wide), narrow_store(*narrow, {}, narrow_tiers);
  Adam wide_adam(wide_store, plain_options()), narrow_adam(narrow_store, plain_options());
  const at::Tensor x = on_device(at::arange(3, at::kFloat).view({1, 3}).to(at::kBFloat16));
  for (int update = 0; update < 2; ++update) {
    std::vector<double> norms;
    for (const auto& [model, store, adam] :
         {std::tuple(&wide, &wide_store, &wide_adam), std::tuple(&narrow, &narrow_store, &narrow_adam)}) {
      store->zero_gradients();
      (*model)(x).sum().backward();
      SquareSum squares;
      for (ParameterUnit& unit : store->units()) {
        ParameterStore::collect_gradients(unit);
        squares.add(unit.own_gradients);
      }
      norms.push_back(squares.total());
      adam->update(0.1, std::sqrt(norms.back()));
    }
    EXPECT_GT(norms[0], 0.0);
    EXPECT_EQ(norms[0], norms[1]);
  }
  const ParameterUnit &from = wide_store.units()[0], &to = narrow_store.units()[0];
  for (const auto buffer : {&ParameterUnit::values, &ParameterUnit::master, &ParameterUnit::first_moments,
                            &ParameterUnit::second_moments}) {
    EXPECT_TRUE(at::equal(from.*buffer, to.*buffer));
  }
  EXPECT_EQ(2 * narrow_store.bytes().gradients, wide_store.bytes().gradients);
  EXPECT_EQ(narrow_store.bytes().master, wide_store.bytes().master);
}

TEST(ParameterStore, NarrowGradientsAreNotSummed) {
  Tiers tiers;
  tiers.narrow_gradients = true;
  TwoLayers model = two_layers(at::kBFloat16);
  ParameterStore store(*model, {}, tiers);
  store.zero_gradients();
  ParameterStore::collect_gradients(store.units()[0]);
  EXPECT_THROW(ParameterStore::collect_gradients(store.units()[0]), Error);
}

TEST(ParameterStore, LowPrecisionParametersHaveFloat32Masters) {
  TwoLayers model = two_layers(at::kBFloat16);
  ParameterStore store(*model);
  model(on_device(at::ones({1, 3}, at::kBFloat16))).sum().backward();
  ParameterStore::collect_gradients(store.units()[0]);
  EXPECT_FALSE(model->first->weight.grad().defined());
  Adam adam(store, plain_options());
  adam.update(1e-4, 1.0);  // far below what bfloat16 resolves near 1
  store.round_masters();
  const at::Tensor master = view_in(store.units()[0].master, store.units()[0].parameters[0]);
  EXPECT_TRUE(at::equal(model->first->weight, master.to(at::kBFloat16)));
  EXPECT_FALSE(at::equal(master, master.to(at::kBFloat16).to(at::kFloat))) << "the master keeps what bfloat16 cannot";
}

TEST(Adam, TwoUpdatesByHand) {
  OneWeight model = on_device(OneWeight());
  ParameterStore store(*model);
  OptimizerOptions options = plain_options();
  options.beta1 = 0.9;
  options.beta2 = 0.99;
  options.epsilon = 0.0;
  Adam adam(store, options);
  // Gradient 2: m = 0.2, v = 0.04; corrected both give 2 and 4: the step is 0.1 * (2 / 2 + 0.1 * 1) = 0.11.
  model->weight.mutable_grad().fill_(2.0);
  adam.update(0.1, 1.0);
  EXPECT_NEAR(model->weight.item<double>(), 0.89, tolerance(1e-6));
  // Gradient -1: m = 0.18 - 0.1 = 0.08, corrected by 0.19; v = 0.0396 + 0.01 = 0.0496, corrected by 0.0199.
  model->weight.mutable_grad().fill_(-1.0);
  adam.update(0.1, 1.0);
  const double expected = 0.89 - 0.1 * (0.08 / 0.19 / std::sqrt(0.0496 / 0.0199) + 0.1 * 0.89);
  EXPECT_NEAR(model->weight.item<double>(), expected, tolerance(1e-6));
}

Tiers with_averages() {
  Tiers tiers;
  tiers.averages = true;
  return tiers;
}

TEST(Averages, FollowTheWeightsByHand) {
  OneWeight model = on_device(OneWeight());
  ParameterStore store(*model, {}, with_averages());
  const at::Tensor& average = store.units()[0].averages;
  EXPECT_EQ(average[0].item<float>(), 1.0f) << "they begin at the weights";
  OptimizerOptions options = plain_options();
  options.weight_decay = 0.0;
  options.epsilon = 0.0;
  Adam adam(store, options, 0.9);
  // A constant gradient: each update moves the weight by the learning rate.
  double weight = 1.0, expected = 1.0;
  for (int t = 1; t <= 100; ++t) {
    model->weight.mutable_grad().fill_(2.0);
    adam.update(0.01, 1.0);
    weight -= 0.01;
    const double decay = std::min(0.9, (1.0 + t) / (10.0 + t));  // 2/11, 3/12, ..., 0.9 from update 80 on
    expected = decay * expected + (1.0 - decay) * weight;
    EXPECT_NEAR(average[0].item<double>(), expected, tolerance(1e-5))
        << "update " << t;  // float32, a hundred roundings
  }
  EXPECT_NEAR(expected, weight + 0.01 * 0.9 / (1 - 0.9), 0.02) << "it lags behind by decay / (1 - decay) updates";
}

TEST(Averages, SwappedTwiceLeaveEveryBit) {
  for (const at::ScalarType type : {at::kFloat, at::kBFloat16}) {
    TwoLayers model = two_layers(type);
    ParameterStore store(*model, {}, with_averages());
    const ParameterUnit& unit = store.units()[0];
    Adam adam(store, plain_options(), 0.9);
    model(on_device(at::ones({1, 3}, type))).sum().backward();
    ParameterStore::collect_gradients(store.units()[0]);
    for (int i = 0; i < 3; ++i) adam.update(0.01, 1.0);
    const at::Tensor master = unit.master.clone(), values = unit.values.clone(), averages = unit.averages.clone();
    EXPECT_FALSE(at::equal(master, averages));
    store.swap_averages();
    EXPECT_TRUE(at::equal(unit.master, averages));
    EXPECT_TRUE(at::equal(unit.values, averages.to(type))) << "the model computes with the averages";
    store.swap_averages();
    EXPECT_TRUE(at::equal(unit.master, master));
    EXPECT_TRUE(at::equal(unit.values, values));
    EXPECT_TRUE(at::equal(unit.averages, averages));
  }
}

TEST(Averages, OfLargeUnitsAreSwappedWhole) {
  struct : torch::nn::Module {
  } model;
  model.register_parameter("weight", on_device(at::randn({1100, 1000})));  // more than a piece of the swap
  ParameterStore store(model, {}, with_averages());
  const ParameterUnit& unit = store.units()[0];
  unit.averages.normal_();
  const at::Tensor master = unit.master.clone(), averages = unit.averages.clone();
  store.swap_averages();
  EXPECT_TRUE(at::equal(unit.master, averages));
  EXPECT_TRUE(at::equal(unit.averages, master));
}

TEST(Averages, StayWhereAnUpdateIsSkipped) {
  OneWeight model = on_device(OneWeight());
  ParameterStore store(*model, {}, with_averages());
  Adam adam(store, plain_options(), 0.9);
  adam.update(0.1, std::nan(""));
  EXPECT_EQ(store.units()[0].averages[0].item<float>(), 1.0f);
}

TEST(Adam, ClipsByTheGlobalNorm) {
  TwoLayers model = two_layers();
  ParameterStore store(*model);
  OptimizerOptions options = plain_options();
  options.clip_norm = 0.5;
  Adam adam(store, options);
  store.units()[0].gradients.zero_();
  model->first->weight.mutable_grad()[0][0] = 3.0;
  model->second->bias.mutable_grad()[0] = 4.0;
  SquareSum squares;
  squares.add(store.units()[0].gradients);
  adam.update(0.0, std::sqrt(squares.total()));
  // The first moment is (1 - beta1) times the clipped gradient: 0.1 * 3 * 0.5 / 5.
  EXPECT_NEAR(store.units()[0].first_moments.max().item<double>(), 0.1 * 4 * 0.1, tolerance(1e-7));
}

TEST(Adam, ANonFiniteGradientChangesNothing) {
  TwoLayers model = two_layers();
  ParameterStore store(*model);
  Adam adam(store, plain_options());
  const at::Tensor before = store.units()[0].values.clone();
  EXPECT_TRUE(adam.update(0.1, std::nan("")).skipped);
  EXPECT_TRUE(at::equal(store.units()[0].values, before));
  EXPECT_EQ(adam.steps(), 0);
}

TEST(Adam, TakesTheLossScaleOffTheGradients) {
  TwoLayers model = two_layers();
  ParameterStore store(*model);
  Adam adam(store, plain_options());
  store.units()[0].gradients.fill_(3.0 * 1024);
  adam.update(0.0, 1.0, 1024);
  EXPECT_NEAR(store.units()[0].first_moments.max().item<double>(), 0.1 * 3, tolerance(1e-6));
}

TrainOptions float16_options() {
  TrainOptions options;
  options.precision = NumberFormat::kFloat16;
  options.loss_scale = 1024;
  options.loss_scale_window = 3;
  return options;
}

TEST(LossScale, HalvesAtAnOverflowAndDoublesAfterAWindowWithout) {
  LossScale scale(float16_options());
  std::vector<double> values;
  for (const bool overflow : {false, false, true, false, false, false, false}) {
    scale.follow(overflow);
    values.push_back(scale.value());
  }
  EXPECT_EQ(values, (std::vector<double>{1024, 1024, 512, 512, 512, 1024, 1024}));
}

TEST(LossScale, GoesOnFromItsState) {
  LossScale scale(float16_options()), other(float16_options());
  for (const bool overflow : {true, false, false}) scale.follow(overflow);
  other.restore(scale.state());
  other.follow(false);
  EXPECT_EQ(other.value(), 1024);
}

TEST(LossScale, EndsWhereNoScaleIsSmallEnough) {
  LossScale scale(float16_options());
  const auto overflow_for_ever = [&] {
    for (int i = 0; i < 100; ++i) scale.follow(true);
  };
  EXPECT_THROW(overflow_for_ever(), Error);
}

TEST(LossScale, IsOneInOtherFormats) {
  TrainOptions options = float16_options();
  options.precision = NumberFormat::kBFloat16;
  LossScale scale(options);
  scale.follow(true);
  EXPECT_EQ(scale.value(), 1.0);
}

TEST(Schedule, FollowsItsFormulas) {
  OptimizerOptions options;
  options.learning_rate = 1.0;
  options.warmup_updates = 100;
  options.schedule = Schedule::kInverseSqrt;
  EXPECT_DOUBLE_EQ(learning_rate_at(options, 50, {}), 0.5);
  EXPECT_DOUBLE_EQ(learning_rate_at(options, 100, {}), 1.0);
  EXPECT_DOUBLE_EQ(learning_rate_at(options, 400, {}), 0.5);
  options.schedule = Schedule::kLinear;
  options.min_learning_rate = 0.2;
  EXPECT_DOUBLE_EQ(learning_rate_at(options, 200, {.done = 0.25}), 0.8);
  EXPECT_DOUBLE_EQ(learning_rate_at(options, 200, {.done = 0.5, .after_warmup = 0.2}), 0.7);
  EXPECT_DOUBLE_EQ(learning_rate_at(options, 200, {.done = 2.0}), 0.2);
  options.schedule = Schedule::kCosine;
  EXPECT_NEAR(learning_rate_at(options, 200, {.done = 0.5}), 0.6, 1e-12);
  options.schedule = Schedule::kConstant;
  EXPECT_DOUBLE_EQ(learning_rate_at(options, 9999, {.done = 0.9}), 1.0);
}

TEST(Schedule, EverySchedulePassesThePeakAtTheEndOfTheWarmUp) {
  OptimizerOptions options;
  options.learning_rate = 1.0;
  options.warmup_updates = 4;
  for (const std::string& schedule : words_of<Schedule>()) {
    options.schedule = from_word<Schedule>(schedule);
    const auto rate = [&](std::int64_t update) {
      return learning_rate_at(options, update, {.done = static_cast<double>(update) / 8, .after_warmup = 0.5});
    };
    for (std::int64_t update = 1; update <= 4; ++update) {
      EXPECT_DOUBLE_EQ(rate(update), static_cast<double>(update) / 4) << schedule;
    }
    EXPECT_LE(rate(5), 1.0) << schedule;
  }
  // A warm-up that is longer than the training has nothing to fall from.
  options.schedule = Schedule::kLinear;
  EXPECT_DOUBLE_EQ(learning_rate_at(options, 4, {.done = 1.0, .after_warmup = 1.0}), 1.0);
}

}  // namespace
}  // namespace polymoe
