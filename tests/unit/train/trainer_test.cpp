#include "polymoe/train/trainer.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <random>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "polymoe/base/files.h"
#include "polymoe/checkpoint/checkpoint.h"
#include "polymoe/data/prepare.h"
#include "polymoe/decode/translator.h"
#include "polymoe/tensor/torch_headers.h"
#include "polymoe/text/corpus.h"
#include "polymoe/text/vocabulary.h"
#include "support/device.h"
#include "unit/train/trainer_test.h"

namespace polymoe {
namespace {

namespace fs = std::filesystem;

TEST_F(TrainerTest, SentencePieceAndLibTorchWorkInOneProcess) {
  make_number_data();
  const Vocabulary vocabulary = Vocabulary::load(folder_ / "vocab.model");
  const std::vector<std::int32_t> ids = vocabulary.encode("one two");
  EXPECT_EQ(vocabulary.decode(ids), "one two");
  const at::Tensor product = at::mm(at::ones({2, 3}), at::ones({3, 2}));
  EXPECT_EQ(product.sum().item<float>(), 12.0f);
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
                                             {.data = 1, .expert = 2, .tensor = 2}};
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

// A reduced form of experiments/ciphers: languages that share nothing, and a dense model that is too small for them.
TEST_F(TrainerTest, ExpertsPayWhereLanguagesShareNothing) {
  constexpr int kLanguages = 16;
  const std::string words = "abcdefghijklmnopqrstuvwxyz012345";  // each is one letter
  std::mt19937 random(1);
  std::vector<double> frequencies;  // as in texts, 1/rank
  for (std::size_t rank = 1; rank <= words.size(); ++rank) frequencies.push_back(1.0 / static_cast<double>(rank));
  std::discrete_distribution<std::size_t> word(frequencies.begin(), frequencies.end());
  std::uniform_int_distribution<int> length(4, 16);
  std::map<std::string, std::string> ciphers{{"xx", words}};
  for (int i = 0; i < kLanguages; ++i) {
    std::string cipher = words;
    std::shuffle(cipher.begin(), cipher.end(), random);
    ciphers[fmt::format("a{}", static_cast<char>('a' + i))] = cipher;
  }
  std::map<std::string, std::vector<std::string>> train_lines, valid_lines;
  for (int line = 0; line < 2020; ++line) {
    auto& split = line < 2000 ? train_lines : valid_lines;
    for (const auto& [language, cipher] : ciphers) split[language].emplace_back();
    for (int n = length(random); n > 0; --n) {
      const std::size_t place = word(random);
      for (const auto& [language, cipher] : ciphers) split[language].back() += cipher[place];
    }
  }
  make_data(train_lines, valid_lines, static_cast<std::int64_t>(words.size()) + kLanguages + 12);

  const auto loss_with = [&](std::int64_t experts) {
    RunOptions options = run_options(fmt::format("experts-{}", experts));
    options.model.ffn = 16;
    options.model.heads = 2;
    options.model.encoder_layers = 1;
    options.model.decoder_layers = 1;
    options.model.dropout = 0.0;
    options.model.moe.experts = experts;
    options.model.moe.every = 1;
    options.model.moe.capacity = CapacityKind::kDropless;
    options.data.directions = {"xx-*"};
    options.data.denoising_weight = 0.0;
    options.data.bucket_examples = 16384;
    options.train.threads = 1;  // such small products gain nothing from more
    options.train.max_tokens = 1500;
    options.train.micro_batches = 1;
    options.train.label_smoothing = 0.0;
    options.train.max_updates = 1000;
    options.train.valid_beam_size = 0;
    options.train.keep_best = ValidMetric::kLoss;
    options.train.log_freq = 100;
    options.optimizer.learning_rate = 1e-2;
    options.optimizer.schedule = Schedule::kLinear;
    options.optimizer.warmup_updates = 100;
    train(options);
    return records(options, "valid").back().at("nll").get<double>();
  };
  EXPECT_LT(loss_with(kLanguages), loss_with(0) - 0.5);
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

}  // namespace
}  // namespace polymoe
