#include "polymoe/train/step.h"
#include "polymoe/config/run_options.h"

#include <gtest/gtest.h>

#include "polymoe/tensor/torch_headers.h"
#include "support/device.h"

namespace polymoe {
namespace {

RunOptions step_options() {
  RunOptions options;
  options.model.vocabulary = 40;
  options.model.hidden = 16;
  options.model.ffn = 32;
  options.model.heads = 4;
  options.model.encoder_layers = 2;
  options.model.decoder_layers = 2;
  options.model.moe.experts = 4;
  options.train.label_smoothing = 0.1;
  options.train.seed = 3;
  options.train.device = from_word<DeviceKind>(test_device_name());
  return options;
}

// A training on one process.
struct Alone {
  explicit Alone(const RunOptions& options) : state(options, *world) {}

  std::unique_ptr<Communicator> world = make_self_communicator();
  TrainState state;
};

Example step_example(std::int32_t first, std::size_t length, std::int32_t task = 0) {
  Example example;
  example.source = {5};
  for (std::size_t i = 0; i < length; ++i) example.source.push_back(static_cast<std::int32_t>(10 + (first + i) % 30));
  example.target.assign(example.source.begin() + 1, example.source.end());
  example.source.push_back(2);
  example.target.push_back(2);
  example.start = 5;
  example.task = task;
  return example;
}

MicroBatch micro_batch(std::int32_t first) {
  return make_micro_batch({step_example(first, 3), step_example(first + 1, 6, 1), step_example(first + 2, 4)}, 1);
}

at::Tensor all_gradients(const TrainState& state) {
  std::vector<at::Tensor> parts;
  for (const ParameterUnit& unit : state.store.units()) parts.push_back(unit.own_gradients);
  return at::cat(parts);
}

TEST(TrainStep, GradientsAreMeansOverTheTokensOfAllMicroBatches) {
  // Without dropout, capacity and balance loss a token's gradient does not depend on its micro-batch, so one
  // micro-batch of all rows and three of one row each must give the same update.
  RunOptions options = step_options();
  options.model.dropout = 0.0;
  options.model.moe.capacity = CapacityKind::kDropless;
  options.model.moe.balance_loss = 0.0;
  const std::vector<Example> rows{step_example(0, 3), step_example(4, 7), step_example(9, 5)};
  Alone whole(options), split(options);
  const StepReport a = train_step(whole.state, {make_micro_batch(rows, 1)}, options, 1e-3);
  std::vector<MicroBatch> parts;
  for (const Example& row : rows) parts.push_back(make_micro_batch({row}, 1));
  options.train.micro_batches = 3;
  const StepReport b = train_step(split.state, parts, options, 1e-3);
  EXPECT_EQ(a.total().tokens, 18);
  EXPECT_EQ(b.total().tokens, 18);
  EXPECT_NEAR(a.total().loss, b.total().loss, tolerance(1e-4));
  // The same sums in another order, float32.
  EXPECT_TRUE(close(all_gradients(whole.state), all_gradients(split.state), 1e-4, 1e-6));
}

TEST(TrainStep, TheSameSeedGivesTheSameLosses) {
  RunOptions options = step_options();
  options.train.micro_batches = 2;
  std::vector<double> losses;
  for (int run = 0; run < 2; ++run) {
    Alone alone(options);
    for (std::int32_t i = 0; i < 4; ++i) {
      losses.push_back(train_step(alone.state, {micro_batch(i), micro_batch(i + 7)}, options, 1e-3).total().loss);
    }
  }
  for (std::size_t i = 0; i < 4; ++i) EXPECT_NEAR(losses[i], losses[i + 4], same_tolerance() * losses[i]);
}

TEST(TrainStep, SplitsTheLossByTask) {
  const RunOptions options = step_options();
  Alone alone(options);
  const StepReport report = train_step(alone.state, {micro_batch(0)}, options, 1e-3);
  EXPECT_EQ(report.tasks.at(0).tokens, 9);
  EXPECT_EQ(report.tasks.at(1).tokens, 7);
  EXPECT_GT(report.balance_loss, 0.9);
}

TEST(TrainStep, LearnsToCopy) {
  for (const char* precision : {"float32", "bfloat16", "float16"}) {
    RunOptions options = step_options();
    options.train.label_smoothing = 0.0;
    options.train.precision = from_word<NumberFormat>(precision);
    Alone alone(options);
    double first = 0.0, last = 0.0;
    for (int update = 0; update < 150; ++update) {
      const TokenLoss total = train_step(alone.state, {micro_batch(update % 5)}, options, 3e-3).total();
      last = total.loss / static_cast<double>(total.tokens);
      if (update == 0) first = last;
    }
    EXPECT_GT(first, 3.0) << precision;
    EXPECT_LT(last, 0.7 * first) << precision;
  }
}

TEST(TrainStep, AnOverflowInFloat16IsSkippedUntilTheScaleFits) {
  RunOptions options = step_options();
  options.train.precision = NumberFormat::kFloat16;
  options.train.loss_scale = 1 << 28;
  Alone alone(options);
  const at::Tensor before = alone.state.store.units()[0].master.clone();
  std::int64_t skipped = 0;
  for (; skipped < 30; ++skipped) {
    if (!train_step(alone.state, {micro_batch(0)}, options, 1e-3).update.skipped) break;
    EXPECT_TRUE(at::equal(alone.state.store.units()[0].master, before));
  }
  EXPECT_GT(skipped, 2);
  EXPECT_LT(skipped, 30);
  EXPECT_EQ(alone.state.loss_scale.value(), static_cast<double>((1 << 28) >> skipped));
  EXPECT_EQ(alone.state.adam.steps(), 1);
}

TEST(TrainStep, TheLossScaleDoesNotShowInGradients) {
  RunOptions options = step_options();
  options.train.precision = NumberFormat::kFloat16;
  options.model.dropout = 0.0;
  std::vector<double> norms;
  for (const double scale : {256.0, 4096.0}) {
    options.train.loss_scale = scale;
    Alone alone(options);
    norms.push_back(train_step(alone.state, {micro_batch(0)}, options, 1e-3).update.gradient_norm);
  }
  EXPECT_NEAR(norms[0], norms[1], 2e-3 * norms[0]);  // float16 has 11 bits
}

// The same arithmetic, by hand: each update comes one batch later.
TEST(DelayedUpdate, LagsOneBatchBehind) {
  RunOptions options = step_options();
  options.offload.optimizer = Tier::kHost;
  Alone by_hand(options);
  options.offload.delayed_update = true;
  Alone delayed(options);
  at::Tensor late;
  double late_norm = 0.0;
  const auto update_late = [&] {
    if (!late.defined()) return;
    std::int64_t begin = 0;
    for (ParameterUnit& unit : by_hand.state.store.units()) {
      unit.own_gradients.copy_(late.narrow(0, begin, unit.size));
      begin += unit.size;
    }
    by_hand.state.adam.update(1e-3, late_norm);
  };
  for (std::int32_t i = 0; i < 4; ++i) {
    const StepReport got = train_step(delayed.state, {micro_batch(i)}, options, 1e-3);
    const StepReport expected = accumulate_gradients(by_hand.state, {micro_batch(i)}, options);
    EXPECT_NEAR(got.total().loss, expected.total().loss, same_tolerance() * expected.total().loss) << i;
    const at::Tensor gradients = all_gradients(by_hand.state);
    const double norm = by_hand.state.sync.gradient_norm();
    update_late();
    late = gradients;
    late_norm = norm;
    ++by_hand.state.update;
  }
  update_late();
  delayed.state.delayed.start();
  EXPECT_TRUE(delayed.state.delayed.finish());
  for (std::size_t i = 0; i < by_hand.state.store.units().size(); ++i) {
    // Where Adam's second moments are small it makes more of a rounding.
    EXPECT_TRUE(same(delayed.state.store.units()[i].own_values, by_hand.state.store.units()[i].own_values, 1e-3));
  }
  delayed.state.delayed.start();
  EXPECT_FALSE(delayed.state.delayed.finish());  // nothing waits any more
  EXPECT_EQ(delayed.state.adam.steps(), 4);
}

}  // namespace
}  // namespace polymoe
