#include "polymoe/train/train_records.h"

#include <cmath>

#include <gmock/gmock.h>

#include "polymoe/tensor/torch_headers.h"
#include "unit/train/training_test.h"

namespace polymoe {
namespace {

class TrainRecordsTest : public TrainingTest {
 protected:
  TrainRecordsTest() : alone_(make_self_communicator()) { make_number_data(); }

  std::unique_ptr<Communicator> alone_;
};

TEST_F(TrainRecordsTest, AreMeansOverTheWindow) {
  TrainSetup setup(run_options("run"), *alone_);
  RunState run(setup);
  run.train.update = 6;
  run.counters.target_tokens = 1000;
  run.counters.seconds = 7.5;
  run.counters.cpu_seconds = 14.5;
  Window window;
  window.tasks[0] = {.loss = 30.0, .nll = 20.0, .tokens = 10};
  window.tasks[1] = {.loss = 60.0, .nll = 40.0, .tokens = 30};
  window.balance_loss = 6.0;
  window.gradient_norm = 8.0;
  window.updates = 3;
  window.skipped = 1;
  window.seconds = 2.0;
  const TrainRecord record = train_record(window, run, setup, 0.5);
  EXPECT_EQ(record.update, 6);
  EXPECT_EQ(record.seconds, 7.5);
  EXPECT_EQ(record.cpu_seconds, 14.5);
  EXPECT_EQ(record.loss, 90.0 / 40);
  EXPECT_EQ(record.nll, 60.0 / 40);
  EXPECT_EQ(record.balance_loss, 2.0);
  EXPECT_EQ(record.gradient_norm, 4.0) << "of the two updates that were not skipped";
  EXPECT_EQ(record.learning_rate, 0.5);
  EXPECT_EQ(record.tokens, 1000);
  EXPECT_EQ(record.tokens_per_second, 20.0);
  ASSERT_EQ(record.tasks.size(), 2u);
  EXPECT_EQ(record.tasks.at("denoising").loss, 2.0);
  EXPECT_TRUE(std::isnan(record.skipped_updates));
  EXPECT_TRUE(std::isnan(record.loss_scale));
  EXPECT_TRUE(std::isnan(record.communication_share));
}

TEST_F(TrainRecordsTest, SayWhatTheRunIs) {
  TrainSetup setup(run_options("run"), *alone_);
  const RunState run(setup);
  const RunRecord record = run_record(run, setup);
  EXPECT_GT(record.parameters, record.active_parameters);
  EXPECT_EQ(record.file_bytes, 0);
  EXPECT_THAT(record.languages, ::testing::ElementsAre("en", "xx"));
  EXPECT_THAT(record.directions, ::testing::UnorderedElementsAre("en-xx", "xx-en"));
  EXPECT_THAT(record.config, ::testing::Contains(std::pair<std::string, std::string>("model.moe.experts", "4")));
}

TEST_F(TrainRecordsTest, CountTheMemoryByKind) {
  const DeviceMemory memory({c10::kCPU}, 0, 0);
  const auto peaks = memory_peaks(memory, *alone_);
  EXPECT_GT(peaks.at("process"), 0);
  EXPECT_EQ(peaks.size(), 3 + kNumMemoryKinds);
}

}  // namespace
}  // namespace polymoe
