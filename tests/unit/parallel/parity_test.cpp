// One curve for every layout, with threads as processes: quick enough to try many. tests/parity/matrix does the same
// with real processes.
#include <gtest/gtest.h>

#include "polymoe/tensor/torch_headers.h"
#include "support/device.h"
#include "unit/parallel/distributed_training.h"

namespace polymoe {
namespace {

struct LayoutCase {
  std::string name;
  ParallelOptions parallel;
  std::int64_t top_k = 1;
  CapacityKind capacity = CapacityKind::kLimited;
  std::int64_t micro_batches = 4;
  NumberFormat precision = NumberFormat::kFloat32;
  bool more = false;  // shared experts, masked outputs and a capacity that shrinks too
  RouterKind router = RouterKind::kTokenChoice;
  BalanceScope balance_scope = BalanceScope::kMicroBatch;
};

LayoutCase with_router(std::string name, RouterKind router, ParallelOptions parallel, std::int64_t top_k = 2) {
  LayoutCase c{std::move(name), parallel, top_k};
  c.router = router;
  return c;
}

LayoutCase balanced_over_updates(std::string name, ParallelOptions parallel) {
  LayoutCase c{std::move(name), parallel};
  c.balance_scope = BalanceScope::kUpdate;
  return c;
}

std::vector<LayoutCase> cases() {
  return {
      {"Recompute", {.recompute = true}},
      {"ZeroOnOneProcess", {.zero_stage = 3}},
      {"E2", {.expert = 2}},
      {"E4", {.expert = 4}},
      {"E2Dropless", {.expert = 2}, 1, CapacityKind::kDropless},
      {"E4Top2Dropless", {.expert = 4}, 2, CapacityKind::kDropless},
      {"E2Top2", {.expert = 2}, 2},
      {"E2D2", {.data = 2, .expert = 2}},
      {"E2TwoChunks", {.expert = 2, .exchange_chunks = 2}},
      {"E2D2Z3TwoChunksRecompute",
       {.data = 2, .expert = 2, .zero_stage = 3, .recompute = true, .exchange_chunks = 2},
       2,
       CapacityKind::kDropless},
      {"D4Z1", {.data = 4, .zero_stage = 1}},
      {"E2D2Z1Top2", {.data = 2, .expert = 2, .zero_stage = 1}, 2, CapacityKind::kDropless},
      {"E2D2Z2", {.data = 2, .expert = 2, .zero_stage = 2}},
      {"E2D2Z2Recompute", {.data = 2, .expert = 2, .zero_stage = 2, .recompute = true}},
      {"E2D2Z3", {.data = 2, .expert = 2, .zero_stage = 3}},
      {"E2D2Z3Recompute", {.data = 2, .expert = 2, .zero_stage = 3, .recompute = true}, 2},
      {"D3Z3Uneven", {.data = 3, .zero_stage = 3}},
      {"M2", {.tensor = 2}},
      {"M4Top2", {.tensor = 4}, 2, CapacityKind::kDropless},
      {"M2Whole", {.tensor = 2, .expert_slicing = ExpertSlicing::kWhole}},
      {"D2M2Z2", {.data = 2, .tensor = 2, .zero_stage = 2}},
      {"E2M2", {.expert = 2, .tensor = 2}},
      {"E2M2Dropless", {.expert = 2, .tensor = 2}, 2, CapacityKind::kDropless},
      {"E2M2Whole", {.expert = 2, .tensor = 2, .expert_slicing = ExpertSlicing::kWhole}},
      {"E2M2WholeDropless",
       {.expert = 2, .tensor = 2, .expert_slicing = ExpertSlicing::kWhole},
       2,
       CapacityKind::kDropless},
      {"E2D2M2", {.data = 2, .expert = 2, .tensor = 2}},
      {"E2D2M2Z1Whole",
       {.data = 2, .expert = 2, .tensor = 2, .zero_stage = 1, .expert_slicing = ExpertSlicing::kWhole}},
      {"E2D2M2Z3", {.data = 2, .expert = 2, .tensor = 2, .zero_stage = 3}},
      {"E2D2M2Z3WholeRecompute",
       {.data = 2,
        .expert = 2,
        .tensor = 2,
        .zero_stage = 3,
        .recompute = true,
        .expert_slicing = ExpertSlicing::kWhole}},
      {"E2ThreeMicroBatches", {.expert = 2}, 1, CapacityKind::kLimited, 3},
      {"E2D2OneMicroBatch", {.data = 2, .expert = 2}, 1, CapacityKind::kLimited, 1},
      // Without experts on other processes a micro-batch's bfloat16 gradients are the same bits; their sums are
      // float32.
      {"D2Z1BFloat16", {.data = 2, .zero_stage = 1}, 1, CapacityKind::kLimited, 4, NumberFormat::kBFloat16},
      {"D4Z2BFloat16", {.data = 4, .zero_stage = 2}, 1, CapacityKind::kLimited, 4, NumberFormat::kBFloat16},
      {"D2Z3RecomputeBFloat16",
       {.data = 2, .zero_stage = 3, .recompute = true},
       1,
       CapacityKind::kLimited,
       4,
       NumberFormat::kBFloat16},
      {"E2D2Z3FiveMicroBatches", {.data = 2, .expert = 2, .zero_stage = 3}, 1, CapacityKind::kDropless, 5},
      {"E4More", {.expert = 4}, 2, CapacityKind::kLimited, 4, NumberFormat::kFloat32, true},
      {"M2More", {.tensor = 2}, 1, CapacityKind::kLimited, 4, NumberFormat::kFloat32, true},
      {"E2M2TwoChunksMore",
       {.expert = 2, .tensor = 2, .exchange_chunks = 2},
       1,
       CapacityKind::kDropless,
       4,
       NumberFormat::kFloat32,
       true},
      {"E2D2M2Z3WholeRecomputeMore",
       {.data = 2,
        .expert = 2,
        .tensor = 2,
        .zero_stage = 3,
        .recompute = true,
        .expert_slicing = ExpertSlicing::kWhole},
       1,
       CapacityKind::kLimited,
       5,
       NumberFormat::kFloat32,
       true},
      {"E2Top3", {.expert = 2}, 3},
      {"E2D2M2Z3Top4Dropless", {.data = 2, .expert = 2, .tensor = 2, .zero_stage = 3}, 4, CapacityKind::kDropless},
      with_router("E2Sigmoid", RouterKind::kSigmoid, {.expert = 2}),
      with_router("E2D2M2Z3SigmoidRecompute", RouterKind::kSigmoid,
                  {.data = 2, .expert = 2, .tensor = 2, .zero_stage = 3, .recompute = true}),
      with_router("RecomputeExpertChoice", RouterKind::kExpertChoice, {.recompute = true}),
      with_router("E4ExpertChoice", RouterKind::kExpertChoice, {.expert = 4}, 1),
      with_router("E2D2M2Z3ExpertChoiceRecompute", RouterKind::kExpertChoice,
                  {.data = 2, .expert = 2, .tensor = 2, .zero_stage = 3, .recompute = true}),
      with_router("M2WholeExpertChoice", RouterKind::kExpertChoice,
                  {.tensor = 2, .expert_slicing = ExpertSlicing::kWhole}),
      balanced_over_updates("D4BalanceOverUpdates", {.data = 4}),
      balanced_over_updates("E2D2M2Z3BalanceOverUpdates", {.data = 2, .expert = 2, .tensor = 2, .zero_stage = 3}),
  };
}

RunOptions run_of(const LayoutCase& c) {
  RunOptions options = testing::tiny_run();
  options.parallel = c.parallel;
  options.model.moe.top_k = c.top_k;
  options.model.moe.capacity = c.capacity;
  options.model.moe.router = c.router;
  options.model.moe.balance_scope = c.balance_scope;
  options.model.moe.bias_rate = 0.02;
  if (c.router == RouterKind::kExpertChoice) options.model.moe.side = MoeSide::kEncoder;
  options.train.micro_batches = c.micro_batches;
  options.train.precision = c.precision;
  options.train.device = from_word<DeviceKind>(testing::device_of(c.parallel));
  if (c.more) {
    options.model.moe.shared_experts = 2;
    options.model.moe.output_masking = 0.3;
    options.model.moe.capacity_factor = 1.5;
    options.model.moe.final_capacity_factor = 0.5;
    options.model.moe.capacity_updates = 3;
  }
  return options;
}

RunOptions on_one_process(RunOptions options) {
  options.parallel = {};
  return options;
}

class LayoutParity : public ::testing::TestWithParam<LayoutCase> {};

TEST_P(LayoutParity, LossesAndGradientsAreThoseOfOneProcess) {
  constexpr std::int64_t kUpdates = 5;
  const RunOptions options = run_of(GetParam());
  const testing::Outcome expected = testing::train_in_threads(on_one_process(options), kUpdates);
  const testing::Outcome got = testing::train_in_threads(options, kUpdates);
  // A master weight that differs in its last bit rounds to another bfloat16 now and then, a step of 1 in 256.
  const double bound = tolerance(GetParam().precision == NumberFormat::kFloat32 ? 1e-6 : 1e-4);
  for (std::size_t update = 0; update < kUpdates; ++update) {
    EXPECT_NEAR(got.losses[update] / expected.losses[update], 1.0, bound) << "update " << update;
    EXPECT_NEAR(got.norms[update] / expected.norms[update], 1.0, 10 * bound) << "update " << update;
  }
  ASSERT_EQ(got.gradients.size(), expected.gradients.size());
  for (const auto& [name, gradient] : expected.gradients) {
    // Some hundred terms summed in another order, each rounded to 6e-8 of its size.
    EXPECT_LT(testing::relative_difference(got.gradients.at(name), gradient), tolerance(1e-5)) << name;
  }
}

TEST(AverageOfWeights, IsThatOfOneProcessInEveryLayout) {
  constexpr std::int64_t kUpdates = 4;
  RunOptions options = testing::tiny_run();
  options.train.ema = 0.5;
  const testing::Outcome expected = testing::train_in_threads(on_one_process(options), kUpdates);
  for (const ParallelOptions& layout : std::vector<ParallelOptions>{{.data = 2, .zero_stage = 1},
                                                                    {.data = 2, .expert = 2, .zero_stage = 2},
                                                                    {.data = 2, .expert = 2, .zero_stage = 3},
                                                                    {.data = 2, .tensor = 2, .zero_stage = 3}}) {
    options.parallel = layout;
    const testing::Outcome got = testing::train_in_threads(options, kUpdates);
    ASSERT_EQ(got.averages.size(), expected.weights.size());
    for (const auto& [name, average] : expected.averages) {
      EXPECT_FALSE(at::equal(average, expected.weights.at(name))) << name;
      // Adam divides by the root of small second moments, which makes more of a rounding than 1e-5 of the gradients.
      EXPECT_LT(testing::relative_difference(got.averages.at(name), average), 1e-3) << name;
    }
  }
}

// Pruned models: the dispatcher is one for all layers, experts are as many as each has.
TEST(UnevenLayers, HaveTheLossesOfOneProcess) {
  constexpr std::int64_t kUpdates = 3;
  RunOptions options = testing::tiny_run();
  options.model.moe.experts_per_layer = {4, 2};
  for (const CapacityKind capacity : {CapacityKind::kLimited, CapacityKind::kDropless}) {
    options.model.moe.capacity = capacity;
    const testing::Outcome expected = testing::train_in_threads(on_one_process(options), kUpdates);
    for (const ParallelOptions& layout : std::vector<ParallelOptions>{
             {.expert = 2, .exchange_chunks = 2}, {.data = 2, .expert = 2, .tensor = 2, .zero_stage = 3}}) {
      options.parallel = layout;
      const testing::Outcome got = testing::train_in_threads(options, kUpdates);
      for (std::size_t update = 0; update < kUpdates; ++update) {
        EXPECT_NEAR(got.losses[update] / expected.losses[update], 1.0, 1e-6)
            << word_of(capacity) << ", update " << update;
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Layouts, LayoutParity, ::testing::ValuesIn(cases()),
                         [](const auto& info) { return info.param.name; });

// The largest difference of any gradient to float32's.
double rounding_of(const testing::Outcome& got, const testing::Outcome& exact) {
  double worst = 0.0;
  for (const auto& [name, gradient] : exact.gradients) {
    worst = std::max(worst, testing::relative_difference(got.gradients.at(name), gradient));
  }
  return worst;
}

// Sums over the tokens of several micro-batches, and partial products, are rounded to bfloat16 in other places than on
// one process: the gradients differ, but must be no further from the exact ones. Every token meets both experts, so
// that rounding turns no choice.
TEST(LayoutRounding, BFloat16RoundsNoMoreInAnyLayout) {
  RunOptions options = testing::tiny_run();
  options.model.moe.experts = 2;
  options.model.moe.top_k = 2;
  options.model.moe.capacity = CapacityKind::kDropless;
  const testing::Outcome exact = testing::train_in_threads(options, 1);
  options.train.precision = NumberFormat::kBFloat16;
  const testing::Outcome alone = testing::train_in_threads(options, 1);
  const double rounding = rounding_of(alone, exact);
  EXPECT_GT(rounding, 1.0 / 256) << "bfloat16 has steps of 1 in 256";
  for (const ParallelOptions& layout : std::vector<ParallelOptions>{
           {.expert = 2}, {.tensor = 2}, {.expert = 2, .tensor = 2, .zero_stage = 3}, {.data = 2, .expert = 2}}) {
    options.parallel = layout;
    const testing::Outcome got = testing::train_in_threads(options, 1);
    EXPECT_NEAR(got.losses[0] / alone.losses[0], 1.0, 1e-3);
    EXPECT_LT(rounding_of(got, exact), 1.5 * rounding) << "E" << layout.expert << " M" << layout.tensor;
  }
}

}  // namespace
}  // namespace polymoe
