// The same update wherever state lives.
#include <gtest/gtest.h>

#include "polymoe/tensor/torch_headers.h"
#include "support/device.h"
#include "support/temporary_folder.h"
#include "unit/parallel/distributed_training.h"

namespace polymoe {
namespace {

struct TierCase {
  std::string name;
  ParallelOptions parallel;
  OffloadOptions offload;
  NumberFormat precision = NumberFormat::kFloat32;
};

OffloadOptions tiers(Tier optimizer, Tier gradients, Tier parameters) {
  OffloadOptions options;
  options.optimizer = optimizer;
  options.gradients = gradients;
  options.parameters = parameters;
  return options;
}

std::vector<TierCase> tier_cases() {
  const OffloadOptions host = tiers(Tier::kHost, Tier::kHost, Tier::kHost),
                       file = tiers(Tier::kFile, Tier::kFile, Tier::kFile);
  OffloadOptions inputs;
  inputs.activations = Tier::kHost;
  return {
      {"OptimizerHost", {}, tiers(Tier::kHost, Tier::kDevice, Tier::kDevice)},
      {"OptimizerFile", {}, tiers(Tier::kFile, Tier::kDevice, Tier::kDevice)},
      {"OptimizerFileBFloat16", {}, tiers(Tier::kFile, Tier::kDevice, Tier::kDevice), NumberFormat::kBFloat16},
      {"GradientsFile", {.zero_stage = 2}, tiers(Tier::kFile, Tier::kFile, Tier::kDevice)},
      {"GradientsFileAlone", {.zero_stage = 2}, tiers(Tier::kDevice, Tier::kFile, Tier::kDevice)},
      {"GradientsHostAlone", {.zero_stage = 2}, tiers(Tier::kDevice, Tier::kHost, Tier::kDevice)},
      {"AllHost", {.zero_stage = 3}, host},
      {"AllFile", {.zero_stage = 3}, file},
      {"AllFileBFloat16", {.zero_stage = 3}, file, NumberFormat::kBFloat16},
      {"AllFileRecompute", {.zero_stage = 3, .recompute = true}, file},
      {"InputsHost", {.recompute = true}, inputs},
      {"D2E2Z3InputsHost", {.data = 2, .expert = 2, .zero_stage = 3, .recompute = true}, inputs},
      {"D2E2AllHost", {.data = 2, .expert = 2, .zero_stage = 3}, host},
      {"D2E2AllFile", {.data = 2, .expert = 2, .zero_stage = 3}, file},
      {"D2E2Z1OptimizerFile",
       {.data = 2, .expert = 2, .zero_stage = 1},
       tiers(Tier::kFile, Tier::kDevice, Tier::kDevice)},
      {"D2E2Z2GradientsFile",
       {.data = 2, .expert = 2, .zero_stage = 2},
       tiers(Tier::kDevice, Tier::kFile, Tier::kDevice)},
      {"E2M2AllFile", {.expert = 2, .tensor = 2, .zero_stage = 3}, file},
      {"D2BFloat16AllFile", {.data = 2, .zero_stage = 3}, file, NumberFormat::kBFloat16},
  };
}

class TierParity : public ::testing::TestWithParam<TierCase> {};

// What a GPU may make of another place: its Adam rounds otherwise than the host's, and a master weight's last bit is
// now and then another bfloat16, a step of 1 in 256. An update moves weights by some hundredths of their norm.
struct OnGpu {
  explicit OnGpu(NumberFormat precision) : is_float32(precision == NumberFormat::kFloat32) {}
  bool is_float32;
  double losses = is_float32 ? 1e-4 : 1e-2;
  double weights = is_float32 ? 1e-3 : 3e-2;
};

void expect_same(const std::vector<double>& got, const std::vector<double>& expected, double on_gpu) {
  ASSERT_EQ(got.size(), expected.size());
  for (std::size_t i = 0; i < got.size(); ++i) {
    EXPECT_NEAR(got[i], expected[i], same_tolerance(on_gpu) * expected[i]) << "update " << i;
  }
}

TEST_P(TierParity, WeightsAreThoseWithoutTiersBitForBit) {
  constexpr std::int64_t kUpdates = 4;
  const testing::TemporaryFolder folder;
  RunOptions options = testing::tiny_run();
  options.parallel = GetParam().parallel;
  options.train.device = from_word<DeviceKind>(testing::device_of(options.parallel));
  options.train.precision = GetParam().precision;
  const testing::Outcome expected = testing::train_in_threads(options, kUpdates);
  options.offload = GetParam().offload;
  options.offload.folder = folder.path();
  const testing::Outcome got = testing::train_in_threads(options, kUpdates);
  const OnGpu bounds(options.train.precision);
  expect_same(got.losses, expected.losses, bounds.losses);
  expect_same(got.norms, expected.norms, bounds.losses);
  for (const auto& [name, weight] : expected.weights) {
    EXPECT_TRUE(same(got.weights.at(name), weight, bounds.weights)) << name;
  }
}

TEST_P(TierParity, AveragesAreThoseWithoutTiersBitForBit) {
  constexpr std::int64_t kUpdates = 3;
  const testing::TemporaryFolder folder;
  RunOptions options = testing::tiny_run();
  options.train.ema = 0.5;
  options.parallel = GetParam().parallel;
  options.train.device = from_word<DeviceKind>(testing::device_of(options.parallel));
  options.train.precision = GetParam().precision;
  const testing::Outcome expected = testing::train_in_threads(options, kUpdates);
  options.offload = GetParam().offload;
  options.offload.folder = folder.path();
  const testing::Outcome got = testing::train_in_threads(options, kUpdates);
  const OnGpu bounds(options.train.precision);
  ASSERT_FALSE(expected.averages.empty());
  for (const auto& [name, average] : expected.averages) {
    EXPECT_TRUE(same(got.averages.at(name), average, bounds.weights)) << name;
    EXPECT_TRUE(same(got.weights.at(name), expected.weights.at(name), bounds.weights)) << name;
  }
}

INSTANTIATE_TEST_SUITE_P(Layouts, TierParity, ::testing::ValuesIn(tier_cases()),
                         [](const auto& info) { return info.param.name; });

TEST(Tiers, ADelayedUpdateHasOneCurveInEveryLayout) {
  RunOptions options = testing::tiny_run();
  options.offload.optimizer = Tier::kHost;
  options.offload.delayed_update = true;
  const testing::Outcome expected = testing::train_in_threads(options, 5);
  options.parallel = {.data = 2, .expert = 2, .zero_stage = 2};
  const testing::Outcome got = testing::train_in_threads(options, 5);
  for (std::size_t i = 0; i < expected.losses.size(); ++i) {
    EXPECT_NEAR(got.losses[i], expected.losses[i], 1e-5 * expected.losses[i]) << i;  // sums in another order, float32
  }
}

// Only where nothing is added to what an update collects once.
TEST(Tiers, GradientsAreNarrowWhereThereIsOneOfEach) {
  const RunOptions plain = testing::tiny_run();
  const auto is_narrow = [](const RunOptions& options, const Degrees& degrees) {
    return make_tiers(options, sharding_of(options.parallel, degrees)).narrow_gradients;
  };
  RunOptions one = plain;
  one.train.micro_batches = 1;
  EXPECT_TRUE(is_narrow(one, {}));
  EXPECT_TRUE(is_narrow(one, {.tensor = 2}));
  EXPECT_FALSE(is_narrow(one, {.data = 2}));
  EXPECT_FALSE(is_narrow(one, {.expert = 2}));
  RunOptions other = one;
  other.train.micro_batches = 2;
  EXPECT_FALSE(is_narrow(other, {}));
  other = one;
  other.parallel.zero_stage = 1;
  EXPECT_FALSE(is_narrow(other, {}));
  other = one;
  other.offload.optimizer = Tier::kHost;
  EXPECT_FALSE(is_narrow(other, {}));
  other = one;
  other.offload.delayed_update = true;
  EXPECT_FALSE(is_narrow(other, {}));
  other = one;
  other.parallel.expert_slicing = ExpertSlicing::kWhole;  // copies of them along the model axis
  EXPECT_FALSE(is_narrow(other, {.tensor = 2}));
}

// Stage 1 with one copy has the same updates, with gradients in float32.
TEST(Tiers, NarrowGradientsChangeNoBit) {
  constexpr std::int64_t kUpdates = 4;
  RunOptions options = testing::tiny_run();
  options.train.device = from_word<DeviceKind>(test_device_name());
  options.train.precision = NumberFormat::kBFloat16;
  options.train.micro_batches = 1;
  const testing::Outcome narrow = testing::train_in_threads(options, kUpdates);
  options.parallel.zero_stage = 1;
  const testing::Outcome wide = testing::train_in_threads(options, kUpdates);
  const OnGpu bounds(options.train.precision);
  expect_same(narrow.losses, wide.losses, bounds.losses);
  expect_same(narrow.norms, wide.norms, bounds.losses);
  ASSERT_FALSE(wide.weights.empty());
  for (const auto& [name, weight] : wide.weights) {
    EXPECT_TRUE(same(narrow.weights.at(name), weight, bounds.weights)) << name;
  }
}

TEST(Tiers, WhatIsInFilesIsNotInMemory) {
  const testing::TemporaryFolder folder;
  RunOptions options = testing::tiny_run();
  options.model.encoder_layers = 6;
  options.train.device = from_word<DeviceKind>(test_device_name());
  options.parallel.zero_stage = 3;
  const std::unique_ptr<Communicator> alone = make_self_communicator();
  const StoreBytes plain = ParallelModel(options, *alone).store.bytes();
  options.offload = tiers(Tier::kFile, Tier::kFile, Tier::kFile);
  options.offload.folder = folder.path();
  const StoreBytes moved = ParallelModel(options, *alone).store.bytes();
  EXPECT_EQ(plain.files, 0);
  EXPECT_EQ(moved.files, plain.total()) << "parameters, gradients and two moments";
  EXPECT_LT(moved.total(), plain.total() / 3) << "two units of the window";
}

// The table of docs/memory.md.
TEST(Tiers, AnUpdateMovesTheBytesOfTheFormulas) {
  constexpr std::int64_t kMicroBatches = 3;
  const testing::TemporaryFolder folder;
  RunOptions options = testing::tiny_run();
  options.model.encoder_layers = 6;
  options.train.device = from_word<DeviceKind>(test_device_name());
  options.model.decoder_layers = 6;
  options.train.micro_batches = kMicroBatches;
  options.parallel.zero_stage = 3;
  options.offload = tiers(Tier::kFile, Tier::kFile, Tier::kFile);
  options.offload.folder = folder.path();
  const std::unique_ptr<Communicator> alone = make_self_communicator();
  TrainState state(options, *alone);
  std::int64_t parameters = 0;
  for (const ParameterUnit& unit : state.store.units()) parameters += unit.size;
  std::vector<MicroBatch> batches;
  for (std::int64_t i = 0; i < kMicroBatches; ++i) batches.push_back(testing::tiny_batch(0, i));
  train_step(state, batches, options, 1e-3);
  const FileTier& files = *state.store.files();
  const std::int64_t read = files.bytes_read(), written = files.bytes_written();
  train_step(state, batches, options, 1e-3);
  const double k = kMicroBatches;
  const auto per_parameter = [&](std::int64_t bytes) {
    return static_cast<double>(bytes) / static_cast<double>(parameters);
  };
  // What is still in the window is not read again: a few of the thirteen units at each turn.
  const double most = 8 + 4 * (k - 1) + 8 + 8 * k + 4;
  EXPECT_LE(per_parameter(files.bytes_read() - read), most);
  EXPECT_GE(per_parameter(files.bytes_read() - read), 0.75 * most);
  EXPECT_NEAR(per_parameter(files.bytes_written() - written), 8 + 4 * k + 4, 0.01);
}

}  // namespace
}  // namespace polymoe
