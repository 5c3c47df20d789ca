#include "polymoe/parallel/parameter_sync.h"

#include <gtest/gtest.h>

#include "polymoe/tensor/torch_headers.h"
#include "support/thread_communicator.h"
#include "unit/parallel/distributed_training.h"

namespace polymoe {
namespace {

// Elements of a kind of unit, padding included.
struct Elements {
  std::int64_t blocks = 0;   // in layers
  std::int64_t outside = 0;  // embeddings and final norms
  std::int64_t units = 0;

  std::int64_t all() const { return blocks + outside; }
};

Elements elements_of(const RunOptions& options, bool experts) {
  Elements elements;
  const ParallelOptions& p = options.parallel;
  testing::run_ranks(static_cast<int>(p.data * p.expert * p.tensor), [&](Communicator& world) {
    const ParallelModel model(options, world);
    if (world.rank() > 0) return;
    for (const ParameterUnit& unit : model.store.units()) {
      if (unit.experts != experts) continue;
      (unit.name == "embeddings" ? elements.outside : elements.blocks) += unit.size;
      ++elements.units;
    }
  });
  return elements;
}

RunOptions zero_run(std::int64_t stage, std::int64_t micro_batches) {
  RunOptions options = testing::tiny_run();
  options.parallel = {.data = 2, .expert = 2, .zero_stage = stage};
  options.train.micro_batches = micro_batches;
  return options;
}

// What one rank sends of `elements` float32 in a reduce-scatter or an all-gather among n.
std::int64_t share(std::int64_t elements, std::int64_t n) { return elements * 4 * (n - 1) / n; }

std::int64_t bytes(const CollectiveCounts& counts, Collective collective) {
  return counts[static_cast<std::size_t>(collective)].bytes;
}

// One update on data 2 x expert 2 with `rounds` micro-batches for each process: dense parameters have four copies,
// experts two.
void check_bytes(std::int64_t stage, std::int64_t rounds) {
  const RunOptions options = zero_run(stage, 4 * rounds);
  const testing::Outcome outcome = testing::train_in_threads(options, 1);
  for (const bool experts : {false, true}) {
    const Elements e = elements_of(options, experts);
    const std::int64_t n = experts ? 2 : 4;
    for (const CollectiveCounts& counts : experts ? outcome.experts : outcome.dense) {
      const std::int64_t all_reduce = stage == 0 ? 2 * share(e.all(), n) : 0;
      const std::int64_t reduce_scatter = stage == 0 ? 0 : (stage == 1 ? 1 : rounds) * share(e.all(), n);
      const std::int64_t all_gather = stage == 0   ? 0
                                      : stage == 3 ? rounds * (2 * share(e.blocks, n) + share(e.outside, n))
                                                   : share(e.all(), n);
      EXPECT_EQ(bytes(counts, Collective::kAllReduce), all_reduce) << "stage " << stage << " experts " << experts;
      EXPECT_EQ(bytes(counts, Collective::kReduceScatter), reduce_scatter)
          << "stage " << stage << " experts " << experts;
      EXPECT_EQ(bytes(counts, Collective::kAllGather), all_gather) << "stage " << stage << " experts " << experts;
      EXPECT_EQ(bytes(counts, Collective::kAllToAll), 0);
    }
  }
}

TEST(ParameterSyncBytes, Stage0SendsGradientsTwice) {
  check_bytes(0, 1);
  check_bytes(0, 2);
}
TEST(ParameterSyncBytes, Stage1SendsGradientsAndParametersOnceAnUpdate) { check_bytes(1, 2); }
TEST(ParameterSyncBytes, Stage2SendsGradientsOnceAMicroBatchAndParametersOnceAnUpdate) {
  check_bytes(2, 1);
  check_bytes(2, 2);
}
TEST(ParameterSyncBytes, Stage3SendsParametersTwiceAndGradientsOnceAMicroBatch) {
  check_bytes(3, 1);
  check_bytes(3, 2);
}

StoreBytes bytes_held(const ParallelOptions& parallel) {
  RunOptions options = testing::tiny_run();
  options.model.hidden = 64;
  options.model.ffn = 256;
  options.parallel = parallel;
  StoreBytes held;
  testing::run_ranks(static_cast<int>(parallel.data * parallel.expert * parallel.tensor), [&](Communicator& world) {
    const ParallelModel model(options, world);
    if (world.rank() == 0) held = model.store.bytes();
  });
  return held;
}

TEST(ParameterSyncMemory, EachStageSharesOutOneKindMore) {
  const StoreBytes whole = bytes_held({.data = 4});
  const auto quarter = [](std::int64_t all, std::int64_t held) {
    EXPECT_NEAR(static_cast<double>(held) / static_cast<double>(all), 0.25, 0.01);
  };
  const StoreBytes one = bytes_held({.data = 4, .zero_stage = 1});
  quarter(whole.moments, one.moments);
  const StoreBytes two = bytes_held({.data = 4, .zero_stage = 2});
  quarter(whole.moments, two.moments);
  quarter(whole.gradients, two.gradients);
  const StoreBytes three = bytes_held({.data = 4, .zero_stage = 3});
  quarter(whole.total(), three.total());
}

TEST(ParameterSyncMemory, ExpertsAreDividedByTheExpertDegree) {
  const StoreBytes whole = bytes_held({.data = 1}), spread = bytes_held({.data = 1, .expert = 4});
  RunOptions options = testing::tiny_run();
  options.model.hidden = 64;
  options.model.ffn = 256;
  options.parallel = {.data = 1};
  const Elements experts = elements_of(options, true);
  EXPECT_EQ(whole.values - spread.values, experts.all() * 4 * 3 / 4);
}

TEST(ParameterSyncMemory, ParametersWithOneCopyCostNoMoreInAnyStage) {
  for (const std::int64_t stage : {1, 2, 3}) {
    const StoreBytes plain = bytes_held({.data = 1}), staged = bytes_held({.data = 1, .zero_stage = stage});
    EXPECT_EQ(staged.total(), plain.total()) << "stage " << stage;
  }
}

TEST(ParameterSync, AGradientThatIsNotFiniteOnOneProcessSkipsTheUpdateOnAll) {
  for (const std::int64_t stage : {0, 3}) {
    const RunOptions options = zero_run(stage, 4);
    testing::run_ranks(4, [&](Communicator& world) {
      TrainState state(options, world);
      accumulate_gradients(state, {testing::tiny_batch(0, world.rank())}, options);
      ParameterUnit& unit = state.store.units()[1];
      const at::Tensor before = unit.master.clone();
      if (world.rank() == 2) unit.own_gradients.fill_(INFINITY);
      const UpdateReport report = state.adam.update(1e-3, state.sync.gradient_norm());
      EXPECT_TRUE(report.skipped);
      EXPECT_EQ(state.adam.steps(), 0);
      EXPECT_TRUE(at::equal(unit.master, before));
      EXPECT_EQ(unit.first_moments.abs().max().item<float>(), 0.0f);
    });
  }
}

TEST(ParameterSync, EveryElementIsAnsweredForOnce) {
  // train_in_threads() fails where two processes answer for an element; one that nobody answers for stays NaN.
  for (const ExpertSlicing slicing : {ExpertSlicing::kSliced, ExpertSlicing::kWhole}) {
    for (const std::int64_t stage : {0, 3}) {
      RunOptions options = testing::tiny_run();
      options.parallel = {.data = 2, .expert = 2, .tensor = 2, .zero_stage = stage, .expert_slicing = slicing};
      const testing::Outcome outcome = testing::train_in_threads(options, 1);
      for (const auto& [name, gradient] : outcome.gradients)
        EXPECT_FALSE(at::isnan(gradient).any().item<bool>()) << name;
    }
  }
}

}  // namespace
}  // namespace polymoe
