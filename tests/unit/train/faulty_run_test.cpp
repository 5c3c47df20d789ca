#include "polymoe/train/trainer.h"

#include <filesystem>
#include <fstream>
#include <functional>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "polymoe/base/error.h"
#include "polymoe/base/files.h"
#include "polymoe/checkpoint/checkpoint.h"
#include "polymoe/decode/translator.h"
#include "polymoe/tensor/torch_headers.h"
#include "polymoe/text/vocabulary.h"
#include "support/device.h"
#include "support/log_capture.h"
#include "unit/train/trainer_test.h"

namespace polymoe {
namespace {

namespace fs = std::filesystem;

class FaultyRunTest : public TrainerTest {};

// What a training says when it refuses to go on; empty when it does not.
std::string refusal(const std::function<void()>& training) {
  try {
    training();
    return "";
  } catch (const std::exception& error) {
    return error.what();
  }
}

TEST_F(FaultyRunTest, RefusesACheckpointOfAnotherModel) {
  make_number_data();
  RunOptions options = run_options("run");
  options.train.max_updates = 1;
  train(options);
  options.model.hidden = 64;
  try {
    train(options);
    FAIL() << "a checkpoint with other shapes was taken";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("shape"), std::string::npos) << error.what();
  }
}

TEST_F(FaultyRunTest, ADivergedTrainingEndsAndKeepsTheLastGoodCheckpoint) {
  make_number_data();
  RunOptions options = run_options("run");
  options.train.max_updates = 6;
  options.train.save_freq = options.train.valid_freq = 2;
  options.train.keep_checkpoints = 2;
  options.train.valid_beam_size = 0;
  options.train.keep_best = ValidMetric::kLoss;
  train(options);
  options.train.max_updates = 60;
  options.train.max_skipped = 3;
  options.train.valid_freq = 1000;
  options.optimizer.learning_rate = 1e9;
  options.optimizer.min_learning_rate = 0;
  options.optimizer.clip_norm = 0;
  const std::string said = refusal([&] { train(options); });
  EXPECT_THAT(said, ::testing::HasSubstr("the training has diverged: 3 updates in a row"));
  EXPECT_THAT(said, ::testing::HasSubstr("the last checkpoint is"));
  // Whatever was saved last has finite weights, and the state to go on with.
  const auto latest = find_latest(options.train.output, Check::kValues);
  ASSERT_TRUE(latest);
  const Checkpoint checkpoint = Checkpoint::open(*latest);
  for (const char* group : {"model", "optimizer"}) {
    for (const std::string& name : checkpoint.names(group)) {
      EXPECT_TRUE(at::isfinite(checkpoint.read(group, name)).all().item<bool>()) << name;
    }
  }
}

// In float16 an update that is skipped is no fault: the loss scale was too high.
TEST_F(FaultyRunTest, ARunThatEndsWithASkippedUpdateIsSaved) {
  make_number_data();
  RunOptions options = run_options("run");
  options.train.precision = NumberFormat::kFloat16;
  options.train.loss_scale = 1e9;
  options.train.max_updates = 2;
  options.train.save_freq = 1;
  options.train.keep_checkpoints = 2;
  const TrainSummary summary = train(options);
  ASSERT_EQ(records(options, "train").back()["skipped_updates"], 2) << "the case is not what it should be";
  EXPECT_EQ(find_latest(options.train.output), summary.checkpoint);
  EXPECT_FALSE(fs::exists(fs::path(options.train.output) / checkpoint_name(1))) << "but not on the way";
}

TEST_F(FaultyRunTest, AValidationThatIsNotFiniteEndsTheTraining) {
  make_number_data();
  RunOptions options = run_options("run");
  options.train.max_updates = 30;
  options.train.valid_freq = 2;
  options.train.valid_beam_size = 0;
  options.train.keep_best = ValidMetric::kLoss;
  options.train.max_skipped = 0;
  options.optimizer.learning_rate = 1e30;
  options.optimizer.warmup_updates = 1;
  options.optimizer.clip_norm = 0;
  const std::string said = refusal([&] { train(options); });
  EXPECT_THAT(said, ::testing::HasSubstr("the training has diverged: the validation loss is not finite"));
  EXPECT_FALSE(fs::exists(folder_ / "run" / kBestCheckpoint)) << "nothing is best that is not a number";
  EXPECT_TRUE(records(options, "valid").empty());
}

TEST_F(FaultyRunTest, ADamagedOrMissingCheckpointIsNoReasonToBeginAnew) {
  make_number_data();
  RunOptions options = run_options("run");
  options.train.valid_freq = 4;
  options.train.max_updates = 8;
  train(options);
  const fs::path run = options.train.output, checkpoint = run / checkpoint_name(8);
  const std::string metrics = read_file(run / "metrics.jsonl"), best = read_file(run / kBestCheckpoint / "index.json");
  const auto is_untouched = [&] {
    return read_file(run / "metrics.jsonl") == metrics && read_file(run / kBestCheckpoint / "index.json") == best;
  };

  // One bit of a weight, which only the checksum tells.
  const fs::path shard = checkpoint / "model-00001-of-00001.safetensors";
  ASSERT_TRUE(fs::exists(shard));
  const std::string whole = read_file(shard);
  std::string flipped = whole;
  flipped[flipped.size() - 10] = static_cast<char>(flipped[flipped.size() - 10] ^ 4);
  write_file(shard, flipped);
  options.train.max_updates = 10;
  EXPECT_THAT(refusal([&] { train(options); }), ::testing::HasSubstr("none of its 1 numbered checkpoints is whole"));
  EXPECT_TRUE(is_untouched());
  write_file(shard, whole);

  fs::rename(checkpoint, folder_ / "away");
  EXPECT_THAT(refusal([&] { train(options); }),
              ::testing::HasSubstr("holds checkpoint-best, but no numbered checkpoint"));
  EXPECT_TRUE(is_untouched());
  fs::rename(folder_ / "away", checkpoint);
  fs::remove(run / "vocab.model");
  EXPECT_EQ(refusal([&] { train(options); }), "");
  EXPECT_TRUE(fs::exists(run / "vocab.model")) << "a file that a run needs comes back";
}

TEST_F(FaultyRunTest, ARunClearsWhatKilledTrainingsLeftOfItsFiles) {
  make_number_data();
  RunOptions options = run_options("run");
  options.train.max_updates = 2;
  train(options);
  const fs::path run = options.train.output;
  const std::string mark = ".partial-4999999";  // no process has so large a number
  const std::vector<std::string> own{"config.yaml", "metrics.jsonl", "report.html", "vocab.model"};
  for (const std::string& name : own) write_file(run / (name + mark), "half");
  fs::create_directory(run / (checkpoint_name(2) + mark));
  write_file(run / ("notes" + mark), "the user's");
  train(options);  // which has nothing to save
  for (const std::string& name : own) EXPECT_FALSE(fs::exists(run / (name + mark))) << name;
  EXPECT_FALSE(fs::exists(run / (checkpoint_name(2) + mark)));
  EXPECT_TRUE(fs::exists(run / ("notes" + mark)));
}

TEST_F(FaultyRunTest, RefusesOptionsWithWhichTheWeightsWouldComputeSomethingElse) {
  make_number_data();
  RunOptions options = run_options("run");
  options.train.max_updates = 2;
  train(options);
  const fs::path first = options.train.output;
  options.model.heads = 2;
  options.train.max_updates = 4;
  EXPECT_THAT(refusal([&] { train(options); }), ::testing::HasSubstr("model.heads = 4, not 2"));
  options.train.init = first;
  options.train.output = folder_ / "tuned";
  EXPECT_THAT(refusal([&] { train(options); }), ::testing::HasSubstr("model.heads = 4, not 2"));
  options.model.heads = 4;
  options.model.activation = Activation::kGelu;
  EXPECT_THAT(refusal([&] { train(options); }), ::testing::HasSubstr("model.activation = relu, not gelu"));
  options.model.activation = Activation::kRelu;
  options.model.moe.top_k = 2;
  const testing::LogCapture log;
  EXPECT_EQ(refusal([&] { train(options); }), "");
  EXPECT_THAT(log.warnings(), ::testing::Contains(::testing::HasSubstr("trained with model.moe.top-k = 1")));
}

TEST_F(FaultyRunTest, WhatIsMissingInItsFolderIsMadeAgainAndTold) {
  make_number_data();
  RunOptions options = run_options("run");
  options.train.max_updates = 2;
  options.train.keep_best = ValidMetric::kLoss;
  train(options);
  const fs::path run = options.train.output;
  write_file(run / "vocab.model", "not this");
  fs::remove(run / "metrics.jsonl");
  fs::remove_all(run / kBestCheckpoint);
  options.train.max_updates = 4;
  options.optimizer.learning_rate = 1e-9;  // nothing gets better
  const testing::LogCapture log;
  train(options);
  EXPECT_EQ(read_file(run / "vocab.model"), read_file(folder_ / "vocab.model"));
  EXPECT_EQ(records(options, "run").size(), 1u);
  EXPECT_TRUE(fs::exists(run / kBestCheckpoint));
  for (const char* told : {"vocab.model: is not the vocabulary of this training, and is replaced",
                           "metrics.jsonl: is gone; the records begin here", "checkpoint-best is gone"}) {
    EXPECT_THAT(log.warnings(), ::testing::Contains(::testing::HasSubstr(told)));
  }
}

TEST_F(FaultyRunTest, WhatWasBestByAnotherMeasureIsForgotten) {
  make_number_data();
  RunOptions options = run_options("run");
  options.train.max_updates = 2;
  options.train.valid_beam_size = 1;
  options.train.keep_best = ValidMetric::kChrf;
  train(options);
  options.train.max_updates = 3;
  options.train.keep_best = ValidMetric::kLoss;
  const testing::LogCapture log;
  train(options);
  EXPECT_TRUE(records(options, "valid").back().at("best").get<bool>());
  EXPECT_THAT(log.warnings(), ::testing::Contains(::testing::HasSubstr("train.keep-best is loss now and was chrf")));
}

TEST_F(FaultyRunTest, DamagedDataIsFoundBeforeItIsTrainedOn) {
  make_number_data();
  RunOptions options = run_options("run");
  options.train.max_updates = 1;
  fs::path ids;
  for (const auto& entry : fs::recursive_directory_iterator(folder_ / "data")) {
    if (entry.path().filename() == "train.en.ids") ids = entry.path();
  }
  std::string content = read_file(ids);
  content[64] = static_cast<char>(content[64] ^ 1);  // another id of the vocabulary, which only the checksum tells
  write_file(ids, content);
  EXPECT_THAT(refusal([&] { train(options); }), ::testing::HasSubstr("the ids are damaged"));
  options.train.verify = false;
  EXPECT_EQ(refusal([&] { train(options); }), "");
}

TEST_F(FaultyRunTest, TwoTrainingsDoNotShareAFolder) {
  make_number_data();
  const RunOptions options = run_options("run");
  const std::atomic<bool> stop{false};
  const std::unique_ptr<Communicator> alone = make_self_communicator();
  {
    Trainer first(options, *alone);
    EXPECT_THAT(refusal([&] { Trainer(options, *alone); }), ::testing::HasSubstr("another training writes here"));
    first.run(stop);
  }
  EXPECT_FALSE(fs::exists(fs::path(options.train.output) / ".lock"));
}

TEST_F(FaultyRunTest, NoticesThatItsFolderIsGoneBeforeTheEnd) {
  make_number_data();
  RunOptions options = run_options("run");
  options.train.max_updates = 1000000;  // without the look at the folder it would train on
  const std::atomic<bool> stop{false};
  const std::unique_ptr<Communicator> alone = make_self_communicator();
  Trainer trainer(options, *alone);
  fs::remove_all(options.train.output);
  EXPECT_THAT(refusal([&] { trainer.run(stop); }), ::testing::HasSubstr("was removed or replaced"));
}

TEST_F(FaultyRunTest, RefusesWeightsOfAnotherVocabulary) {
  make_number_data();
  RunOptions options = run_options("run");
  options.train.max_updates = 2;
  train(options);
  RunOptions tuned = run_options("tuned");
  tuned.train.init = options.train.output;
  // A vocabulary of the same size, told by its content alone.
  fs::rename(folder_ / "data", folder_ / "own-data");
  make_number_data({"null", "eins", "zwei", "drei", "vier", "fünf", "sechs", "sieben", "acht", "neun"});
  ASSERT_NE(read_file(folder_ / "data" / "vocab.model"), read_file(folder_ / "own-data" / "vocab.model"));
  EXPECT_THAT(refusal([&] { train(options); }), ::testing::HasSubstr("is not the vocabulary that"));
  EXPECT_THAT(refusal([&] { train(tuned); }), ::testing::HasSubstr("is not the vocabulary that"));
  fs::remove_all(folder_ / "data");
  fs::rename(folder_ / "own-data", folder_ / "data");
  EXPECT_EQ(refusal([&] { train(tuned); }), "");

  const auto load = [&] { Translator::load(options.train.output, {}, {}, "float32", test_device_name()); };
  EXPECT_EQ(refusal(load), "");
  const fs::path vocabulary = folder_ / "run" / "vocab.model";
  write_file(vocabulary, read_file(vocabulary) + " ");
  EXPECT_THAT(refusal(load), ::testing::HasSubstr("is not the vocabulary that"));
}

}  // namespace
}  // namespace polymoe
