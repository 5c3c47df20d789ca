#include "polymoe/model/model.h"
#include "polymoe/train/trainer.h"

#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "polymoe/base/files.h"
#include "polymoe/checkpoint/checkpoint.h"
#include "polymoe/checkpoint/model_checkpoint.h"
#include "polymoe/tensor/torch_headers.h"
#include "support/device.h"
#include "support/thread_communicator.h"
#include "unit/train/trainer_test.h"

namespace polymoe {
namespace {

namespace fs = std::filesystem;

class ResumedRunTest : public TrainerTest {};

TEST_F(ResumedRunTest, AResumedRunEqualsTheUninterruptedOneBitForBit) {
  make_number_data();
  const RunOptions whole = run_options("whole");
  train(whole);
  RunOptions parts = run_options("parts");
  for (const std::int64_t until : {5, 6, 12}) {
    parts.train.max_updates = until;
    EXPECT_EQ(train(parts).updates, until);
  }
  const auto expected = losses(whole), resumed = losses(parts);
  ASSERT_EQ(expected.size(), 12u);
  expect_same(resumed, expected);
  const Checkpoint a = Checkpoint::open(fs::path(whole.train.output) / checkpoint_name(12));
  const Checkpoint b = Checkpoint::open(fs::path(parts.train.output) / checkpoint_name(12));
  for (const char* group : {"model", "optimizer"}) {
    for (const std::string& name : a.names(group))
      EXPECT_TRUE(same(b.read(group, name), a.read(group, name), 1e-3)) << name;
  }
}

TEST_F(ResumedRunTest, SchedulesOfCapacityAndTasksGoOnWhereTheyWere) {
  make_number_data();
  RunOptions options = run_options("whole");
  options.model.moe.capacity_factor = 2.0;
  options.model.moe.final_capacity_factor = 0.25;
  options.model.moe.capacity_updates = 8;
  options.model.moe.min_capacity = 1;
  options.model.moe.output_masking = 0.2;
  options.model.moe.shared_experts = 1;
  options.data.task_schedule = {"denoising=1@0", "denoising=0.1@150"};
  train(options);
  const auto expected = losses(options);
  options.train.output = folder_ / "parts";
  for (const std::int64_t until : {5, 12}) {
    options.train.max_updates = until;
    train(options);
  }
  expect_same(losses(options), expected);
}

// The biases of the sigmoid router and the load of the update before are state of the run: they are resumed, in another
// layout too, and the model that is loaded for inference has them.
TEST_F(ResumedRunTest, WhatRoutersFollowIsResumedInEveryLayout) {
  make_number_data();
  at::set_num_threads(1);
  for (const bool sigmoid : {true, false}) {
    RunOptions options = run_options(sigmoid ? "sigmoid" : "load");
    options.model.moe.top_k = 2;
    options.model.moe.router = sigmoid ? RouterKind::kSigmoid : RouterKind::kTokenChoice;
    options.model.moe.balance_scope = sigmoid ? BalanceScope::kMicroBatch : BalanceScope::kUpdate;
    options.model.moe.bias_rate = 0.01;
    options.train.micro_batches = 4;
    options.train.max_updates = 6;
    options.train.device = DeviceKind::kCpu;  // as the layouts
    train(options);
    const auto expected = losses(options);
    const std::string state = std::string("encoder.layers.1.feed_forward.moe.gate.") + (sigmoid ? "bias" : "load");
    const Checkpoint whole = Checkpoint::open(fs::path(options.train.output) / checkpoint_name(6));
    EXPECT_GT(whole.read("model", state).abs().max().item<float>(), 0.0f);
    Model loaded = load_model(whole, at::kFloat, at::kCPU);
    EXPECT_TRUE(at::equal(loaded->named_buffers()[state], whole.read("model", state)));

    options.train.output += "-parts";
    options.train.max_updates = 3;
    train_in_layout(options, {.data = 2, .expert = 2, .zero_stage = 2});
    options.train.max_updates = 6;
    train(options);
    for (const auto& [update, numbers] : expected) {
      const double loss = numbers[0].get<double>();
      EXPECT_NEAR(losses(options).at(update)[0].get<double>() / loss, 1.0, 1e-6) << state << ", update " << update;
    }
    const Checkpoint moved = Checkpoint::open(fs::path(options.train.output) / checkpoint_name(6));
    EXPECT_TRUE(at::equal(moved.read("model", state), whole.read("model", state)));
  }
}

TEST_F(ResumedRunTest, ARunGoesOnInAnotherLayoutAsIfItHadStayed) {
  make_number_data();
  at::set_num_threads(1);
  RunOptions options = run_options("whole");
  options.train.micro_batches = 8;
  options.train.max_updates = 9;
  options.train.device = DeviceKind::kCpu;  // as the layouts
  train(options);
  const auto expected = losses(options);

  // Experts, with their moments, over four processes and two copies; then over two, sliced; then in one process.
  options.train.output = folder_ / "moved";
  const std::vector<ParallelOptions> layouts{
      {.data = 2, .expert = 4}, {.data = 1, .expert = 2, .tensor = 2, .zero_stage = 3}, {.data = 1}};
  for (std::size_t i = 0; i < layouts.size(); ++i) {
    options.train.max_updates = 3 * static_cast<std::int64_t>(i + 1);
    train_in_layout(options, layouts[i]);
  }
  const auto moved = losses(options);
  ASSERT_EQ(moved.size(), 9u);
  for (const auto& [update, numbers] : expected) {
    const double loss = numbers[0].get<double>();
    EXPECT_NEAR(moved.at(update)[0].get<double>() / loss, 1.0, 1e-6) << "update " << update;
  }
}

TEST_F(ResumedRunTest, AResumedRunOfManyProcessesEqualsTheUninterruptedOneBitForBit) {
  make_number_data();
  at::set_num_threads(1);
  const ParallelOptions layout{.data = 2, .expert = 2, .tensor = 2, .zero_stage = 2};
  RunOptions options = run_options("whole");
  options.train.micro_batches = 5;
  options.train.max_updates = 4;
  train_in_layout(options, layout);
  const auto expected = losses(options);
  options.train.output = folder_ / "parts";
  for (const std::int64_t until : {2, 4}) {
    options.train.max_updates = until;
    train_in_layout(options, layout);
  }
  EXPECT_EQ(losses(options), expected);
}

TEST_F(ResumedRunTest, ALogLineCoversAllItsUpdatesWhereTheRunWasStoppedBetween) {
  make_number_data();
  at::set_num_threads(1);
  RunOptions options = run_options("whole");
  options.train.max_updates = 4;
  options.train.log_freq = 3;
  options.train.save_freq = 2;
  const auto logged = [&] {
    nlohmann::json found = records(options, "train");
    for (nlohmann::json& record : found) {
      for (const char* of_time :
           {"time", "seconds", "cpu_seconds", "tokens_per_second", "memory", "communication", "communication_share"}) {
        record.erase(of_time);
      }
    }
    return found;
  };
  for (const std::int64_t processes : {1, 2}) {
    const ParallelOptions layout{.data = processes, .expert = 1};
    options.train.output = folder_ / fmt::format("whole-{}", processes);
    train_in_layout(options, layout);
    const nlohmann::json expected = logged();
    ASSERT_EQ(expected.size(), 1u);
    options.train.output = folder_ / fmt::format("parts-{}", processes);
    for (const std::int64_t until : {2, 4}) {
      RunOptions part = options;
      part.train.max_updates = until;
      train_in_layout(part, layout);
    }
    EXPECT_EQ(logged(), expected);
    EXPECT_TRUE(records(options, "train")[0].at("tokens_per_second").get<double>() > 0.0);
  }
}

TEST_F(ResumedRunTest, ARunWithStateInFilesResumesAsTheOneInMemoryGoesOnBitForBit) {
  make_number_data();
  RunOptions options = run_options("memory");
  options.train.max_updates = 6;
  options.parallel.zero_stage = 3;
  train(options);
  const auto expected = losses(options);
  options.train.output = folder_ / "files";
  options.offload.optimizer = options.offload.gradients = options.offload.parameters = Tier::kFile;
  for (const std::int64_t until : {3, 6}) {
    options.train.max_updates = until;
    train(options);
  }
  expect_same(losses(options), expected);
}

TEST_F(ResumedRunTest, ARunThatGoesOnFromAnOlderCheckpointDropsTheLaterRecords) {
  make_number_data();
  RunOptions options = run_options("run");
  options.train.save_freq = 4;
  options.train.max_updates = 10;
  train(options);
  const auto expected = losses(options);
  fs::remove_all(fs::path(options.train.output) / checkpoint_name(10));
  train(options);  // from update 8
  expect_same(losses(options), expected);
}

TEST_F(ResumedRunTest, StopsAndSavesWhenAsked) {
  make_number_data();
  const RunOptions options = run_options("run");
  const std::atomic<bool> stop{true};
  const std::unique_ptr<Communicator> alone = make_self_communicator();
  const TrainSummary summary = Trainer(options, *alone).run(stop);
  EXPECT_TRUE(summary.interrupted);
  EXPECT_EQ(summary.updates, 0);
  EXPECT_NO_THROW(Checkpoint::open(summary.checkpoint).verify());
}

TEST_F(ResumedRunTest, AllProcessesStopWhereOneIsAskedTo) {
  make_number_data();
  RunOptions options = run_options("run");
  options.parallel = {.data = 1, .expert = 2};
  options.train.device = DeviceKind::kCpu;
  testing::run_ranks(2, [&](Communicator& world) {
    const std::atomic<bool> stop{world.rank() == 1};
    const TrainSummary summary = Trainer(options, world).run(stop);
    EXPECT_TRUE(summary.interrupted);
    EXPECT_EQ(summary.updates, 0);
  });
}

TEST_F(ResumedRunTest, ARunWithAnAverageResumesBitForBitAndTheBestCheckpointIsTheAverage) {
  make_number_data();
  RunOptions whole = run_options("whole");
  whole.train.ema = 0.8;
  train(whole);
  RunOptions parts = whole;
  parts.train.output = folder_ / "parts";
  for (const std::int64_t until : {5, 12}) {
    parts.train.max_updates = until;
    train(parts);
  }
  expect_same(losses(parts), losses(whole));
  const Checkpoint a = Checkpoint::open(fs::path(whole.train.output) / checkpoint_name(12));
  const Checkpoint b = Checkpoint::open(fs::path(parts.train.output) / checkpoint_name(12));
  const Checkpoint best = Checkpoint::open(fs::path(whole.train.output) / "checkpoint-best");
  ASSERT_EQ(best.meta().at("update"), 12);
  for (const std::string& name : a.names("model")) {
    const at::Tensor average = a.read("optimizer", "average/" + name);
    EXPECT_TRUE(same(b.read("optimizer", "average/" + name), average, 1e-3)) << name;
    EXPECT_TRUE(at::equal(average, best.read("model", name))) << name;
  }
  EXPECT_FALSE(at::equal(a.read("model", "embedding"), best.read("model", "embedding")));
}

TEST_F(ResumedRunTest, ARunWithDelayedUpdatesResumesBitForBit) {
  make_number_data();
  RunOptions whole = run_options("whole");
  whole.offload.optimizer = Tier::kHost;
  whole.offload.delayed_update = true;
  whole.optimizer.schedule = Schedule::kConstant;  // others go by the updates that are to come
  train(whole);
  RunOptions parts = whole;
  parts.train.output = folder_ / "parts";
  for (const std::int64_t until : {5, 12}) {
    parts.train.max_updates = until;
    train(parts);
  }
  expect_same(losses(parts), losses(whole));
}

TEST_F(ResumedRunTest, AFinishedRunThatIsStartedAgainDoesNothingAndGoesOnAsIfItHadNotBeen) {
  make_number_data();
  RunOptions again = run_options("again"), once = run_options("once");
  for (RunOptions* options : {&again, &once}) {
    options->train.max_updates = 6;
    options->train.valid_freq = options->train.save_freq = 3;
    options->train.early_stopping = 3;
    train(*options);
  }
  const auto written = [&] {
    return fs::last_write_time(fs::path(again.train.output) / checkpoint_name(6) / "index.json");
  };
  const auto before = written();
  for (int i = 0; i < 4; ++i) train(again);
  EXPECT_EQ(written(), before) << "the same checkpoint is not written again";
  EXPECT_EQ(records(again, "valid").size(), 2u);
  EXPECT_EQ(records(again, "run").size(), 1u);
  again.train.max_updates = once.train.max_updates = 9;
  train(again);
  train(once);
  EXPECT_EQ(losses(again), losses(once));
  const auto validations = [&](const RunOptions& options) {
    std::vector<double> found;
    for (const nlohmann::json& record : records(options, "valid")) found.push_back(record.at("loss"));
    return found;
  };
  EXPECT_EQ(validations(again), validations(once));
}

TEST_F(ResumedRunTest, ARunKilledBeforeItsFirstCheckpointLeavesNoSecondRecord) {
  make_number_data();
  const RunOptions options = run_options("run");
  fs::create_directories(options.train.output);
  write_file(
      fs::path(options.train.output) / "metrics.jsonl",
      "{\"type\":\"run\"}\n{\"type\":\"train\",\"update\":1,\"loss\":1,\"balance_loss\":1,\"gradient_norm\":1}\n");
  train(options);
  EXPECT_EQ(records(options, "run").size(), 1u);
  EXPECT_EQ(records(options, "train").size(), 12u);
}

TEST_F(ResumedRunTest, TheValidationAtTheEndStandsOnceHoweverOftenTheRunIsStarted) {
  make_number_data();
  RunOptions options = run_options("run");
  options.train.max_updates = 4;
  options.train.save_freq = 2;  // the last checkpoint comes before the validation and does not know of it
  for (int i = 0; i < 3; ++i) train(options);
  EXPECT_EQ(records(options, "valid").size(), 1u);
  EXPECT_EQ(records(options, "train").size(), 4u);
}

TEST_F(ResumedRunTest, AValidationAfterTheLastSaveIsSavedToo) {
  make_number_data();
  RunOptions options = run_options("run");
  options.train.max_updates = 4;
  options.train.save_freq = 2;
  options.train.keep_best = ValidMetric::kLoss;
  train(options);  // validates after update 4 alone
  const nlohmann::json before = records(options, "valid");
  options.train.max_updates = 8;
  options.optimizer.learning_rate = 3.0;  // which ruins it
  train(options);
  const nlohmann::json after = records(options, "valid");
  ASSERT_EQ(after.size(), 2u);
  EXPECT_EQ(after[0], before[0]);
  EXPECT_FALSE(after[1].at("best").get<bool>());
  EXPECT_EQ(Checkpoint::open(fs::path(options.train.output) / kBestCheckpoint).meta().at("update"), 4);
}

}  // namespace
}  // namespace polymoe
