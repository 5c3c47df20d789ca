#include "polymoe/train/trainer.h"

#include <filesystem>
#include <fstream>
#include <functional>
#include <map>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>
#include <nlohmann/json.hpp>

#include "polymoe/base/error.h"
#include "polymoe/base/files.h"
#include "polymoe/checkpoint/checkpoint.h"
#include "polymoe/checkpoint/model_checkpoint.h"
#include "polymoe/data/prepare.h"
#include "polymoe/decode/translator.h"
#include "polymoe/tensor/torch_headers.h"
#include "polymoe/text/corpus.h"
#include "polymoe/text/vocabulary.h"
#include "support/device.h"
#include "support/log_capture.h"
#include "support/thread_communicator.h"
#include "unit/train/training_test.h"

namespace polymoe {
namespace {

namespace fs = std::filesystem;

class TrainerTest : public TrainingTest {
 protected:
  static TrainSummary train(const RunOptions& options) {
    const std::atomic<bool> stop{false};
    const std::unique_ptr<Communicator> alone = make_self_communicator();
    return Trainer(options, *alone).run(stop);
  }

  // The same on as many threads as the layout has processes, on the CPU: the mailboxes between them take host memory.
  static void train_in_layout(RunOptions options, const ParallelOptions& parallel) {
    options.parallel = parallel;
    options.train.device = DeviceKind::kCpu;
    const std::atomic<bool> stop{false};
    testing::run_ranks(static_cast<int>(parallel.data * parallel.expert * parallel.model),
                       [&](Communicator& world) { Trainer(options, world).run(stop); });
  }

  static nlohmann::json records(const RunOptions& options, const std::string& type) {
    nlohmann::json found = nlohmann::json::array();
    std::ifstream file(fs::path(options.train.output) / "metrics.jsonl");
    for (std::string line; std::getline(file, line);) {
      const nlohmann::json record = nlohmann::json::parse(line);
      if (record.at("type") == type) found.push_back(record);
    }
    return found;
  }

  static std::map<std::int64_t, nlohmann::json> losses(const RunOptions& options) {
    std::map<std::int64_t, nlohmann::json> by_update;
    for (const nlohmann::json& record : records(options, "train")) {
      EXPECT_EQ(by_update.count(record.at("update")), 0u) << "a record stands twice";
      by_update[record.at("update")] = {record.at("loss"), record.at("balance_loss"), record.at("gradient_norm")};
    }
    return by_update;
  }

  // Bit for bit on the CPU. On a GPU the rounding of some updates has gone into the weights.
  static void expect_same(const std::map<std::int64_t, nlohmann::json>& got,
                          const std::map<std::int64_t, nlohmann::json>& expected) {
    ASSERT_EQ(got.size(), expected.size());
    for (const auto& [update, numbers] : expected) {
      for (std::size_t i = 0; i < numbers.size(); ++i) {
        const double number = numbers[i].get<double>();
        EXPECT_NEAR(got.at(update)[i].get<double>(), number, same_tolerance(1e-3) * number) << "update " << update;
      }
    }
  }
};

TEST_F(TrainerTest, SentencePieceAndLibTorchWorkInOneProcess) {
  make_number_data();
  const Vocabulary vocabulary = Vocabulary::load(folder_ / "vocab.model");
  const std::vector<std::int32_t> ids = vocabulary.encode("one two");
  EXPECT_EQ(vocabulary.decode(ids), "one two");
  const at::Tensor product = at::mm(at::ones({2, 3}), at::ones({3, 2}));
  EXPECT_EQ(product.sum().item<float>(), 12.0f);
}

TEST_F(TrainerTest, AResumedRunEqualsTheUninterruptedOneBitForBit) {
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

TEST_F(TrainerTest, SchedulesOfCapacityAndTasksGoOnWhereTheyWere) {
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
TEST_F(TrainerTest, WhatRoutersFollowIsResumedInEveryLayout) {
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

TEST_F(TrainerTest, ARunGoesOnInAnotherLayoutAsIfItHadStayed) {
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
      {.data = 2, .expert = 4}, {.data = 1, .expert = 2, .model = 2, .zero_stage = 3}, {.data = 1}};
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

TEST_F(TrainerTest, AResumedRunOfManyProcessesEqualsTheUninterruptedOneBitForBit) {
  make_number_data();
  at::set_num_threads(1);
  const ParallelOptions layout{.data = 2, .expert = 2, .model = 2, .zero_stage = 2};
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

TEST_F(TrainerTest, ALogLineCoversAllItsUpdatesWhereTheRunWasStoppedBetween) {
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
           {"time", "seconds", "tokens_per_second", "memory", "communication", "communication_share"}) {
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

TEST_F(TrainerTest, ARunWithStateInFilesResumesAsTheOneInMemoryGoesOnBitForBit) {
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

TEST_F(TrainerTest, ARunThatGoesOnFromAnOlderCheckpointDropsTheLaterRecords) {
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

TEST_F(TrainerTest, StopsAndSavesWhenAsked) {
  make_number_data();
  const RunOptions options = run_options("run");
  const std::atomic<bool> stop{true};
  const std::unique_ptr<Communicator> alone = make_self_communicator();
  const TrainSummary summary = Trainer(options, *alone).run(stop);
  EXPECT_TRUE(summary.interrupted);
  EXPECT_EQ(summary.updates, 0);
  EXPECT_NO_THROW(Checkpoint::open(summary.checkpoint).verify());
}

TEST_F(TrainerTest, AllProcessesStopWhereOneIsAskedTo) {
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

TEST_F(TrainerTest, ValidationSaysTheSameInEveryLayout) {
  make_number_data();
  at::set_num_threads(1);
  RunOptions options = run_options("whole");
  options.train.micro_batches = 4;
  options.train.max_updates = 60;           // so that there is something to translate
  options.train.device = DeviceKind::kCpu;  // as the layouts
  options.optimizer.learning_rate = 3e-3;
  options.train.valid_beam_size = 2;
  train(options);
  const nlohmann::json expected = records(options, "valid");
  ASSERT_EQ(expected.size(), 1u);
  EXPECT_GT(expected[0].at("chrf"), 5.0);
  const std::vector<ParallelOptions> layouts{{.data = 2, .expert = 2, .zero_stage = 3},
                                             {.data = 1, .expert = 2, .model = 2}};
  for (std::size_t i = 0; i < layouts.size(); ++i) {
    options.train.output = folder_ / fmt::format("layout-{}", i);
    train_in_layout(options, layouts[i]);
    const nlohmann::json got = records(options, "valid");
    ASSERT_EQ(got.size(), 1u);
    EXPECT_NEAR(got[0].at("loss").get<double>() / expected[0].at("loss").get<double>(), 1.0, 1e-5);
    for (const char* score : {"bleu", "chrf"}) EXPECT_EQ(got[0].at(score), expected[0].at(score)) << score;
  }
}

TEST_F(TrainerTest, LearnsATaskOfTheUsersNamingBesideTranslation) {
  // Beside the translation of numbers, a task that keeps the last digit alone.
  std::vector<std::string> words, numbers, tails;
  for (int n = 0; n < 300; ++n) {
    numbers.push_back(fmt::format("{} {} {}", n / 100, n / 10 % 10, n % 10));
    tails.push_back(fmt::format("{}", n % 10));
    words.push_back(fmt::format("n {}", numbers.back()));
  }
  const auto corpora = [&](const char* split) {
    return std::vector<std::string>{
        fmt::format("{}:files:en={},xx={}", split, write_lines("words", words), write_lines("numbers", numbers)),
        fmt::format("{}:task:last:files:xx={},xx={}", split, write_lines("numbers", numbers),
                    write_lines("tails", tails))};
  };
  VocabularyOptions vocabulary;
  vocabulary.size = 30;
  vocabulary.character_coverage = 1.0;
  vocabulary.tasks = {"denoise", "last"};
  std::vector<std::string> sentences = words;
  sentences.insert(sentences.end(), numbers.begin(), numbers.end());
  write_file(folder_ / "vocab.model", train_vocabulary(vocabulary, {"en", "xx"}, sentences));
  PrepareOptions prepared;
  prepared.vocabulary = folder_ / "vocab.model";
  prepared.out = folder_ / "data";
  for (const char* split : {"train", "valid"}) {
    for (const CorpusSpec& spec : parse_corpora(corpora(split))) prepared.corpora.push_back(spec);
  }
  prepare(prepared);

  RunOptions options = run_options("run");
  options.model.dropout = 0.0;
  options.data.task_weights = {"last=2"};
  options.train.max_updates = 150;
  options.train.max_tokens = 400;
  options.train.log_freq = 50;
  options.optimizer.learning_rate = 5e-3;
  options.optimizer.warmup_updates = 20;
  const TrainSummary summary = train(options);
  const nlohmann::json logged = records(options, "train").back().at("tasks");
  EXPECT_TRUE(logged.contains("translation") && logged.contains("denoising") && logged.contains("last")) << logged;
  const nlohmann::json valid = records(options, "valid").back();
  const nlohmann::json& task = valid.at("tasks").at("last");
  EXPECT_GT(task.at("rouge1"), 60.0) << "guessing a digit gives 10";
  EXPECT_EQ(task.at("rouge2"), 0.0) << "a single word has no pair";
  EXPECT_EQ(task.at("segments"), 10);
  EXPECT_EQ(task.at("directions").at("xx-xx").at("rougeL"), task.at("rougeL"));
  EXPECT_EQ(valid.at("tasks").at("translation").at("loss"), valid.at("loss")) << "translation is what counts";
  EXPECT_TRUE(valid.at("tasks").at("denoising").contains("nll"));
  EXPECT_EQ(valid.at("directions").size(), 2u);

  Translator translator = Translator::load(summary.checkpoint, {}, DecodeOptions{}, "float32", test_device_name());
  const std::vector<std::string> sources{"1 2 3", "0 4 7", "2 9 1", "1 5 0"};
  const auto results = translator.translate(sources, "xx", "xx", {}, "last");
  int right = 0;
  for (std::size_t i = 0; i < sources.size(); ++i) right += results[i][0].text == sources[i].substr(4) ? 1 : 0;
  EXPECT_GE(right, 2);
  EXPECT_THROW(translator.translate(sources, "xx", "xx", {}, "lost"), Error);
}

TEST_F(TrainerTest, EarlyStoppingEndsARunThatGetsNoBetter) {
  make_number_data();
  RunOptions options = run_options("run");
  options.train.max_updates = 1000;
  options.train.valid_freq = 1;
  options.train.early_stopping = 3;
  options.train.keep_best = ValidMetric::kLoss;
  options.train.valid_beam_size = 0;
  options.optimizer.learning_rate = 0.0;  // every validation is like the first
  EXPECT_EQ(train(options).updates, 4);
}

TEST_F(TrainerTest, KeepsAsManyCheckpointsAsAsked) {
  make_number_data();
  RunOptions options = run_options("run");
  options.train.save_freq = 2;
  options.train.keep_checkpoints = 2;
  train(options);
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(options.train.output)) {
    if (entry.path().filename().string().find("checkpoint-0") == 0) names.push_back(entry.path().filename());
  }
  std::sort(names.begin(), names.end());
  EXPECT_EQ(names, (std::vector<std::string>{checkpoint_name(10), checkpoint_name(12)}));
}

TEST_F(TrainerTest, RefusesACheckpointOfAnotherModel) {
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

TEST_F(TrainerTest, TrainsTranslatesAndValidatesInBFloat16) {
  make_number_data();
  RunOptions options = run_options("run");
  options.train.precision = NumberFormat::kBFloat16;
  const TrainSummary summary = train(options);
  Translator translator = Translator::load(summary.checkpoint, {}, DecodeOptions{}, "bfloat16", test_device_name());
  const std::vector<std::string> sentences{"one two three", "", "four five"};
  const auto results = translator.translate(sentences, "en", "xx");
  ASSERT_EQ(results.size(), 3u);
  EXPECT_EQ(results[1][0].text, "");
}

TEST_F(TrainerTest, OverfitsSixtyFourSentencesOfMulti30kInAllDirections) {
  const fs::path data = fs::path(POLYMOE_SOURCE_DIR) / "../shared/data/multi30k";
  if (!fs::exists(data / "train.en.gz")) GTEST_SKIP() << "Multi30k is not in " << data;
  std::map<std::string, std::vector<std::string>> lines;
  for (const char* language : {"en", "de", "fr", "cs"}) {
    LineReader reader(data / fmt::format("train.{}.gz", language));
    for (std::string line; lines[language].size() < 16 && reader.next(line);) lines[language].push_back(line);
  }
  // 16 lines in four languages: 64 sentences, 192 pairs in twelve directions.
  make_data(lines, lines, 500);
  RunOptions options = run_options("overfit");
  options.model.hidden = 64;
  options.model.ffn = 128;
  options.model.dropout = 0.0;
  options.model.moe.capacity = CapacityKind::kDropless;  // translation never drops tokens either
  options.data.denoising_weight = 0.0;
  options.data.max_length = 100;
  options.data.bucket_examples = 192;
  options.train.max_tokens = 3000;
  options.train.micro_batches = 1;
  options.train.label_smoothing = 0.0;
  options.train.max_updates = 600;
  options.train.valid_beam_size = 0;
  options.train.keep_best = ValidMetric::kLoss;
  options.train.log_freq = 20;
  options.optimizer.learning_rate = 4e-3;
  options.optimizer.schedule = Schedule::kLinear;
  options.optimizer.warmup_updates = 50;
  const TrainSummary summary = train(options);
  EXPECT_LT(losses(options).rbegin()->second[0].get<double>(), 0.1);
  Translator translator = Translator::load(summary.checkpoint, {}, DecodeOptions{}, "float32", test_device_name());
  const Vocabulary vocabulary = Vocabulary::load(folder_ / "vocab.model");
  int exact = 0;
  for (const char* source : {"en", "de", "fr", "cs"}) {
    for (const char* target : {"en", "de", "fr", "cs"}) {
      if (std::string(source) == target) continue;
      const auto results = translator.translate(lines[source], source, target);
      for (std::size_t i = 0; i < results.size(); ++i) {
        // The reference as the vocabulary can write it: its normalisation changes some quotes and spaces.
        const bool same = results[i][0].text == vocabulary.decode(vocabulary.encode(lines[target][i]));
        exact += same ? 1 : 0;
      }
    }
  }
  EXPECT_EQ(exact, 192);
}

TEST_F(TrainerTest, ARunWithAnAverageResumesBitForBitAndTheBestCheckpointIsTheAverage) {
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

TEST_F(TrainerTest, ARunWithDelayedUpdatesResumesBitForBit) {
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

TEST_F(TrainerTest, MeasuringTheAverageLeavesTheTrainingAsItWas) {
  make_number_data();
  at::set_num_threads(1);
  for (const std::int64_t stage : {2, 3}) {
    RunOptions options = run_options(fmt::format("plain-{}", stage));
    options.train.precision = NumberFormat::kBFloat16;
    options.train.max_updates = 6;
    options.train.micro_batches = 4;
    options.train.valid_beam_size = 0;
    options.train.keep_best = ValidMetric::kLoss;
    const ParallelOptions layout{.data = 2, .expert = 2, .zero_stage = stage};
    train_in_layout(options, layout);
    const auto expected = losses(options);
    const nlohmann::json of_weights = records(options, "valid");
    options.train.output = folder_ / fmt::format("averaged-{}", stage);
    options.train.ema = 0.8;
    options.train.valid_freq = 1;
    train_in_layout(options, layout);
    EXPECT_EQ(losses(options), expected) << "ZeRO stage " << stage;
    const nlohmann::json of_averages = records(options, "valid");
    ASSERT_EQ(of_averages.size(), 6u);
    EXPECT_NE(of_averages[5].at("loss"), of_weights[0].at("loss")) << "what is measured is the average";
  }
}

TEST_F(TrainerTest, StartsFromTheWeightsAndTheOptimiserStateOfAnotherRun) {
  make_number_data();
  RunOptions first = run_options("first");
  first.train.max_updates = 3;
  train(first);
  RunOptions second = run_options("second");
  second.train.max_updates = 0;
  second.train.init = fs::path(first.train.output) / checkpoint_name(3);
  second.train.init_optimizer = true;
  second.train.ema = 0.9;
  train(second);
  const Checkpoint from = Checkpoint::open(second.train.init);
  const Checkpoint taken = Checkpoint::open(fs::path(second.train.output) / checkpoint_name(0));
  EXPECT_EQ(taken.meta().at("adam_steps"), 3);
  EXPECT_EQ(taken.meta().at("update"), 0);
  for (const std::string& name : from.names("model")) {
    EXPECT_TRUE(at::equal(from.read("model", name), taken.read("model", name))) << name;
    EXPECT_TRUE(at::equal(from.read("model", name), taken.read("optimizer", "average/" + name))) << name;
    const std::string moment = "second_moment/" + name;
    EXPECT_TRUE(at::equal(from.read("optimizer", moment), taken.read("optimizer", moment))) << name;
  }
  // The best checkpoint has no state to take.
  second.train.output = folder_ / "third";
  second.train.init = fs::path(first.train.output) / "checkpoint-best";
  EXPECT_THROW(train(second), Error);
}

// What a training says when it refuses to go on; empty when it does not.
std::string refusal(const std::function<void()>& training) {
  try {
    training();
    return "";
  } catch (const std::exception& error) {
    return error.what();
  }
}

TEST_F(TrainerTest, LinearRatesReachThePeakAndFallToTheEnd) {
  make_number_data();
  RunOptions options = run_options("run");
  options.optimizer.schedule = Schedule::kLinear;
  options.optimizer.warmup_updates = 4;
  options.optimizer.learning_rate = 1e-3;
  options.train.max_updates = 8;
  train(options);
  std::vector<double> rates;
  for (const nlohmann::json& record : records(options, "train")) rates.push_back(record.at("learning_rate"));
  EXPECT_THAT(rates,
              ::testing::Pointwise(::testing::DoubleEq(), {2.5e-4, 5e-4, 7.5e-4, 1e-3, 7.5e-4, 5e-4, 2.5e-4, 0.0}));
}

TEST_F(TrainerTest, ADivergedTrainingEndsAndKeepsTheLastGoodCheckpoint) {
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

TEST_F(TrainerTest, AValidationThatIsNotFiniteEndsTheTraining) {
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

TEST_F(TrainerTest, AFinishedRunThatIsStartedAgainDoesNothingAndGoesOnAsIfItHadNotBeen) {
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

TEST_F(TrainerTest, ADamagedOrMissingCheckpointIsNoReasonToBeginAnew) {
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

TEST_F(TrainerTest, ARunKilledBeforeItsFirstCheckpointLeavesNoSecondRecord) {
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

TEST_F(TrainerTest, ARunClearsWhatKilledTrainingsLeftOfItsFiles) {
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

TEST_F(TrainerTest, TheValidationAtTheEndStandsOnceHoweverOftenTheRunIsStarted) {
  make_number_data();
  RunOptions options = run_options("run");
  options.train.max_updates = 4;
  options.train.save_freq = 2;  // the last checkpoint comes before the validation and does not know of it
  for (int i = 0; i < 3; ++i) train(options);
  EXPECT_EQ(records(options, "valid").size(), 1u);
  EXPECT_EQ(records(options, "train").size(), 4u);
}

TEST_F(TrainerTest, AValidationAfterTheLastSaveIsSavedToo) {
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

TEST_F(TrainerTest, RefusesOptionsWithWhichTheWeightsWouldComputeSomethingElse) {
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

TEST_F(TrainerTest, WhatIsMissingInItsFolderIsMadeAgainAndTold) {
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

TEST_F(TrainerTest, WhatWasBestByAnotherMeasureIsForgotten) {
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

TEST_F(TrainerTest, DamagedDataIsFoundBeforeItIsTrainedOn) {
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

TEST_F(TrainerTest, TwoTrainingsDoNotShareAFolder) {
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

TEST_F(TrainerTest, NoticesThatItsFolderIsGoneBeforeTheEnd) {
  make_number_data();
  RunOptions options = run_options("run");
  options.train.max_updates = 1000000;  // without the look at the folder it would train on
  const std::atomic<bool> stop{false};
  const std::unique_ptr<Communicator> alone = make_self_communicator();
  Trainer trainer(options, *alone);
  fs::remove_all(options.train.output);
  EXPECT_THAT(refusal([&] { trainer.run(stop); }), ::testing::HasSubstr("was removed or replaced"));
}

TEST_F(TrainerTest, RefusesWeightsOfAnotherVocabulary) {
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
