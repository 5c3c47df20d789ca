#include "polymoe/config/effects.h"

#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "polymoe/base/files.h"
#include "polymoe/base/remarks.h"
#include "polymoe/config/describe.h"
#include "polymoe/config/merge.h"
#include "polymoe/config/sections.h"
#include "temporary_file.h"

namespace polymoe {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

using Values = std::vector<std::pair<std::string, std::string>>;

const Where kCommandLine{"command line", 0};

std::vector<Assignment> assignments(const Values& values, const Where& where) {
  std::vector<Assignment> all;
  for (const auto& [key, value] : values) all.push_back({key, {value}, Assignment::Kind::kValue, where});
  return all;
}

std::vector<std::string> messages_of(const std::vector<Ineffective>& found) {
  std::vector<std::string> texts;
  for (const Ineffective& option : found) texts.push_back(option.message);
  return texts;
}

// What is told of values on the command line, beside a file.
std::vector<std::string> told(const Values& values, const std::optional<std::string>& path = {}) {
  const LoadedOptions loaded = load_run_options(path, assignments(values, kCommandLine));
  return messages_of(without_effect(loaded.options, loaded.given));
}

/// An option that changes nothing beside others, what is told of it, and what makes it useful.
struct Case {
  Values idle;
  std::string message;
  Values cure;
};

TEST(WithoutEffect, TellsEachOptionThatChangesNothing) {
  const Case cases[] = {
      {{{"model.moe.experts", "0"}, {"model.moe.top-k", "2"}},
       "model.moe.top-k has no effect: model.moe.experts is 0",
       {{"model.moe.experts", "4"}}},
      {{{"model.moe.capacity", "dropless"}},
       "model.moe.capacity has no effect: model.moe.experts is 0",
       {{"model.moe.experts", "4"}}},
      {{{"model.moe.experts", "4"}, {"model.moe.capacity", "dropless"}, {"model.moe.capacity-factor", "1.5"}},
       "model.moe.capacity-factor has no effect: model.moe.capacity is dropless",
       {{"model.moe.capacity", "limited"}}},
      {{{"model.moe.experts", "4"}, {"model.moe.capacity", "dropless"}, {"model.moe.eval-capacity-factor", "3"}},
       "model.moe.eval-capacity-factor has no effect: model.moe.capacity is dropless",
       {{"model.moe.capacity", "limited"}}},
      {{{"model.moe.experts", "4"}, {"model.moe.capacity", "dropless"}, {"model.moe.min-capacity", "1"}},
       "model.moe.min-capacity has no effect: model.moe.capacity is dropless",
       {{"model.moe.capacity", "limited"}}},
      {{{"model.moe.experts", "4"}, {"model.moe.capacity", "dropless"}, {"model.moe.random-token-selection", "false"}},
       "model.moe.random-token-selection has no effect: model.moe.capacity is dropless",
       {{"model.moe.capacity", "limited"}}},
      {{{"model.moe.experts", "4"}, {"model.moe.router", "sigmoid"}, {"model.moe.balance-loss", "0.1"}},
       "model.moe.balance-loss has no effect: model.moe.router is sigmoid, which balances by itself",
       {{"model.moe.router", "token-choice"}}},
      {{{"model.moe.experts", "4"}, {"model.moe.balance-loss", "0"}, {"model.moe.balance-scope", "update"}},
       "model.moe.balance-scope has no effect: model.moe.balance-loss is 0",
       {{"model.moe.balance-loss", "0.1"}}},
      {{{"model.moe.experts", "4"}, {"model.moe.bias-rate", "0.1"}},
       "model.moe.bias-rate has no effect: model.moe.router is token-choice",
       {{"model.moe.router", "sigmoid"}}},
      {{{"model.moe.experts", "4"},
        {"model.moe.side", "encoder"},
        {"model.moe.router", "expert-choice"},
        {"model.moe.random-token-selection", "false"}},
       "model.moe.random-token-selection has no effect: model.moe.router is expert-choice",
       {{"model.moe.router", "token-choice"}}},
      {{{"model.moe.experts", "4"}, {"model.moe.normalize-gates", "false"}},
       "model.moe.normalize-gates has no effect: model.moe.top-k is 1",
       {{"model.moe.top-k", "2"}}},
      {{{"model.moe.experts", "4"}, {"model.moe.top-k", "4"}, {"model.moe.second-expert", "random"}},
       "model.moe.second-expert has no effect: model.moe.top-k is 4",
       {{"model.moe.top-k", "2"}}},
      {{{"model.moe.experts", "4"},
        {"model.moe.top-k", "2"},
        {"model.moe.router", "sigmoid"},
        {"model.moe.second-expert", "sampled"}},
       "model.moe.second-expert has no effect: model.moe.router is sigmoid",
       {{"model.moe.router", "token-choice"}}},
      {{{"model.moe.experts", "1"}, {"model.moe.balance-loss", "0.1"}},
       "model.moe.balance-loss has no effect: with one expert there is no choice",
       {{"model.moe.experts", "2"}}},
      {{{"data.task-schedule", "translation=1@5"}, {"data.translation-weight", "2"}},
       "data.translation-weight has no effect: data.task-schedule has weights of translation",
       {{"data.task-schedule", "summary=1@5"}}},
      {{{"data.task-schedule", "denoising=1@5"}, {"data.denoising-weight", "2"}},
       "data.denoising-weight has no effect: data.task-schedule has weights of denoising",
       {{"data.task-schedule", "summary=1@5"}}},
      {{{"data.mask-ratio", "0.2"}},
       "data.mask-ratio has no effect: data.denoising-weight is 0",
       {{"data.denoising-weight", "1"}}},
      {{{"data.mask-span", "2"}},
       "data.mask-span has no effect: data.denoising-weight is 0",
       {{"data.task-schedule", "denoising=1@100"}}},
      {{{"data.delete-ratio", "0.2"}},
       "data.delete-ratio has no effect: data.denoising-weight is 0",
       {{"data.denoising-weight", "1"}}},
      {{{"data.shuffle-distance", "2"}},
       "data.shuffle-distance has no effect: data.denoising-weight is 0",
       {{"data.denoising-weight", "1"}}},
      {{{"data.denoising-weight", "1"}, {"data.mask-ratio", "0"}, {"data.mask-span", "2"}},
       "data.mask-span has no effect: data.mask-ratio is 0",
       {{"data.mask-ratio", "0.1"}}},
      {{{"train.loss-scale", "1024"}},
       "train.loss-scale has no effect: train.precision is not float16",
       {{"train.precision", "float16"}}},
      {{{"train.precision", "bfloat16"}, {"train.loss-scale-window", "10"}},
       "train.loss-scale-window has no effect: train.precision is not float16",
       {{"train.precision", "float16"}}},
      {{{"train.precision", "float16"}, {"train.max-skipped", "3"}},
       "train.max-skipped has no effect: in float16 the loss scale ends training where no gradient is finite",
       {{"train.precision", "bfloat16"}}},
      {{{"train.deterministic", "true"}},
       "train.deterministic has no effect: train.device is cpu, which always is",
       {{"train.device", "cuda"}}},
      {{{"optimizer.learning-rate", "0"}},
       "optimizer.learning-rate is 0: no update changes the model",
       {{"train.max-updates", "0"}}},
      {{{"optimizer.warmup-updates", "100"}, {"train.max-updates", "2"}},
       "optimizer.warmup-updates exceeds train.max-updates: the peak learning rate is never reached",
       {{"train.max-updates", "100"}}},
      {{{"optimizer.schedule", "cosine"}, {"train.max-updates", "2000"}},
       "optimizer.schedule has no effect: optimizer.warmup-updates exceeds train.max-updates",
       {{"train.max-updates", "4001"}}},
      {{{"optimizer.min-learning-rate", "1e-5"}},
       "optimizer.min-learning-rate has no effect: optimizer.schedule is inverse-sqrt",
       {{"optimizer.schedule", "linear"}}},
      {{{"train.valid-beam-size", "0"}, {"train.keep-best", "loss"}, {"decode.length-penalty", "0.5"}},
       "decode.length-penalty has no effect: train.valid-beam-size is 0",
       {{"train.valid-beam-size", "4"}}},
      {{{"parallel.all-to-all", "hierarchical"}},
       "parallel.all-to-all has no effect: model.moe.experts is 0",
       {{"model.moe.experts", "4"}, {"parallel.expert", "2"}}},
      {{{"model.moe.experts", "4"}, {"parallel.all-to-all", "hierarchical"}},
       "parallel.all-to-all has no effect: parallel.expert is 1",
       {{"parallel.expert", "2"}}},
      {{{"model.moe.experts", "4"}, {"parallel.expert", "1"}, {"parallel.exchange-chunks", "2"}},
       "parallel.exchange-chunks has no effect: parallel.expert is 1",
       {{"parallel.expert", "2"}}},
      {{{"model.moe.experts", "4"}, {"parallel.expert", "4"}, {"parallel.exchange-chunks", "2"}},
       "parallel.exchange-chunks has no effect: each process has one expert",
       {{"parallel.expert", "2"}}},
      {{{"model.moe.experts", "4"}, {"parallel.expert-slicing", "whole"}},
       "parallel.expert-slicing has no effect: parallel.tensor is 1",
       {{"parallel.tensor", "2"}}},
      {{{"offload.folder", "/fast"}, {"offload.optimizer", "host"}},
       "offload.folder has no effect: nothing in offload.* is file",
       {{"offload.optimizer", "file"}}},
  };
  for (const auto& [idle, message, cure] : cases) {
    EXPECT_THAT(told(idle), ElementsAre(message));
    Values cured = idle;
    cured.insert(cured.end(), cure.begin(), cure.end());
    EXPECT_THAT(told(cured), IsEmpty()) << message;
  }
}

TEST(WithoutEffect, TellsACapacityThatStaysAsItIs) {
  Values values{{"model.moe.experts", "4"},
                {"model.moe.capacity-factor", "2"},
                {"model.moe.final-capacity-factor", "2"},
                {"model.moe.capacity-updates", "10"}};
  EXPECT_EQ(told(values).size(), 2u);
  values.emplace_back("model.moe.final-capacity-factor", "1");
  EXPECT_THAT(told(values), IsEmpty());
}

TEST(WithoutEffect, TellsOnTheCommandLineWhatOnlyOtherSubcommandsUse) {
  const Values values{{"decode.beam-size", "8"}, {"decode.n-best", "2"}};
  EXPECT_THAT(told(values), ElementsAre("decode.beam-size has no effect on training: validation takes "
                                        "train.valid-beam-size",
                                        "decode.n-best has no effect on training"));
  const TemporaryFile file("cluster:\n  devices: 4\ndecode:\n  beam-size: 8\n  n-best: 2\n");
  EXPECT_THAT(told({}, file.path()), IsEmpty());
  EXPECT_THAT(told({{"decode.length-penalty", "0.5"}}), IsEmpty()) << "validation decodes with it";
}

TEST(WithoutEffectOnTranslations, TellsOfSearchesAndSamples) {
  const auto told_of = [](const Values& values, const std::optional<std::string>& path = {}) {
    const LoadedOptions loaded = load_run_options(path, assignments(values, kCommandLine));
    return messages_of(without_effect_on_translations(loaded.options, loaded.given));
  };
  EXPECT_THAT(told_of({{"decode.seed", "2"}}),
              ElementsAre("decode.seed has no effect: decode.temperature is 0, so nothing is drawn"));
  EXPECT_THAT(told_of({{"decode.seed", "2"}, {"decode.temperature", "1"}}), IsEmpty());
  EXPECT_THAT(
      told_of({{"decode.beam-size", "5"}, {"decode.temperature", "1"}}),
      ElementsAre("decode.beam-size has no effect: with decode.temperature above 0 tokens are drawn, not searched"));
  EXPECT_THAT(told_of({{"decode.beam-size", "5"}, {"decode.length-penalty", "0.5"}}), IsEmpty());
  const TemporaryFile file("decode:\n  beam-size: 5\n");
  EXPECT_THAT(told_of({{"decode.temperature", "1"}}, file.path()), IsEmpty()) << "a file for searches too";
}

TEST(WithoutEffectOnScores, TellsAllThatScoringLeavesOut) {
  const auto told_of = [](bool normalized, const Values& values) {
    const LoadedOptions loaded = load_run_options({}, assignments(values, kCommandLine));
    return messages_of(without_effect_on_scores(loaded.options, loaded.given, normalized));
  };
  const Values values = {{"decode.beam-size", "5"}, {"decode.length-penalty", "0.5"}, {"decode.max-tokens", "100"}};
  EXPECT_THAT(told_of(true, values), ElementsAre("decode.beam-size has no effect on scores"));
  EXPECT_THAT(told_of(false, values), ElementsAre("decode.beam-size has no effect on scores",
                                                  "decode.length-penalty has no effect without --normalized"));
}

TEST(WithoutEffect, NamesThePlaceInAFile) {
  const TemporaryFile file("model:\n  moe:\n    top-k: 2\n");
  const LoadedOptions loaded = load_run_options(file.path(), {});
  const std::vector<Ineffective> found = without_effect(loaded.options, loaded.given);
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].key, "model.moe.top-k");
  EXPECT_EQ(found[0].where.path, file.path());
  EXPECT_EQ(found[0].where.line, 3u);
}

// One file may serve a MoE model and, with --experts 0, a dense one; a short trial of a long run; and so on.
TEST(WithoutEffect, AllowsTheCommandLineToSwitchOffWhatAFileSays) {
  const TemporaryFile file(
      "model:\n  moe:\n    experts: 4\n    top-k: 2\noptimizer:\n  schedule: linear\n  warmup-updates: 100\n");
  EXPECT_THAT(told({{"model.moe.experts", "0"}, {"train.max-updates", "2"}}, file.path()), IsEmpty());
  EXPECT_THAT(told({{"model.moe.experts", "0"}, {"model.moe.every", "1"}}, file.path()),
              ElementsAre("model.moe.every has no effect: model.moe.experts is 0"));
}

TEST(WithoutEffect, IsSilentAboutDefaults) {
  EXPECT_THAT(told({}), IsEmpty());
  EXPECT_THAT(told({{"model.preset", "large"}, {"train.max-updates", "2"}}), IsEmpty());
  EXPECT_THAT(told({{"model.moe.top-k", "1"}, {"parallel.exchange-chunks", "1"}}), IsEmpty());
  PlannerOptions options;
  const TemporaryFile all(dump_yaml(sections_of(options)));
  EXPECT_THAT(told({}, all.path()), IsEmpty());
}

TEST(WithoutEffect, IsSilentAboutTheConfigurationsHere) {
  const std::filesystem::path root = POLYMOE_SOURCE_DIR;
  int files = 0;
  for (const char* folder : {"configs", "experiments"}) {
    if (!std::filesystem::exists(root / folder)) GTEST_SKIP() << "no folder " << folder << " here";
    for (const auto& entry : std::filesystem::recursive_directory_iterator(root / folder)) {
      if (entry.path().extension() != ".yaml") continue;
      ++files;
      // Experiments give the number of experts on the command line where the file does not.
      Values values;
      if (!load_run_options(entry.path(), {}).given.contains("model.moe.experts") &&
          read_file(entry.path()).find("moe:") != std::string::npos)
        values = {{"model.moe.experts", "8"}};
      EXPECT_THAT(told(values, entry.path()), IsEmpty()) << entry.path();
    }
  }
  EXPECT_GE(files, 10);
}

TEST(RemarkWithoutEffect, IsAnErrorWhereStrict) {
  const LoadedOptions loaded = load_run_options({}, assignments({{"train.deterministic", "true"}}, kCommandLine));
  EXPECT_NO_THROW(remark_without_effect(without_effect(loaded.options, loaded.given)));
  set_strict(true);
  EXPECT_EQ(error_of([&] { remark_without_effect(without_effect(loaded.options, loaded.given)); }),
            "command line: train.deterministic has no effect: train.device is cpu, which always is (an error with "
            "--strict)");
  set_strict(false);
}

}  // namespace
}  // namespace polymoe
