#include "polymoe/config/merge.h"

#include <limits>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "polymoe/base/remarks.h"
#include "polymoe/config/sections.h"
#include "temporary_file.h"

namespace polymoe {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

using Kind = Assignment::Kind;

class SetOption : public ::testing::Test {
 protected:
  std::string error(const std::string& key, const std::string& value) {
    return error_of([&] { set_option(sections_, key, value, {"run.yaml", 3}); });
  }
  std::string error(const Assignment& assignment) {
    return error_of([&] { set_option(sections_, assignment); });
  }

  RunOptions options_;
  std::vector<Section> sections_ = sections_of(options_);
};

TEST_F(SetOption, StoresEveryType) {
  set_option(sections_, "model.hidden", "256");
  set_option(sections_, "model.moe.experts", "8");
  set_option(sections_, "optimizer.learning-rate", "3e-4");
  set_option(sections_, "model.norm", "post");
  set_option(sections_, "train.tensorboard", "off");
  set_option(sections_, "train.output", "a folder/日本");
  EXPECT_EQ(options_.model.hidden, 256);
  EXPECT_EQ(options_.model.moe.experts, 8);
  EXPECT_EQ(options_.optimizer.learning_rate, 3e-4);
  EXPECT_EQ(options_.model.norm, NormOrder::kPost);
  EXPECT_FALSE(options_.train.tensorboard);
  EXPECT_EQ(options_.train.output, "a folder/日本");
}

TEST_F(SetOption, TakesListsAsListsAndSeparatedByCommas) {
  set_option(sections_, "data.directions", "en-de, de-en,*-*");
  EXPECT_THAT(options_.data.directions, ElementsAre("en-de", "de-en", "*-*"));
  set_option(sections_, {"data.directions", {"fr-en", "en-fr"}, Kind::kList, {}});
  EXPECT_THAT(options_.data.directions, ElementsAre("fr-en", "en-fr"));
  set_option(sections_, "data.directions", "");
  EXPECT_THAT(options_.data.directions, ElementsAre());
  EXPECT_EQ(error("data.directions", "en-de,,de-en"), "run.yaml:3: data.directions: '' is no item of a list");
  EXPECT_THAT(error({"data.directions", {"en-de,de-en"}, Kind::kList, {}}), HasSubstr("is no item of a list"));
}

TEST_F(SetOption, TakesListsOfNumbers) {
  set_option(sections_, "model.moe.experts-per-layer", "4, 2,8");
  EXPECT_THAT(options_.model.moe.experts_per_layer, ElementsAre(4, 2, 8));
  set_option(sections_, {"model.moe.experts-per-layer", {"3", "1"}, Kind::kList, {}});
  EXPECT_THAT(options_.model.moe.experts_per_layer, ElementsAre(3, 1));
  EXPECT_EQ(error("model.moe.experts-per-layer", "4,x"),
            "run.yaml:3: model.moe.experts-per-layer: 'x' is not a whole number");
  EXPECT_THAT(error("model.moe.experts-per-layer", "4,0"), HasSubstr("'0' is out of range"));
  set_option(sections_, "model.moe.experts-per-layer", "");
  EXPECT_THAT(options_.model.moe.experts_per_layer, ElementsAre());
}

TEST_F(SetOption, KnowsTheWordsForTruth) {
  for (const char* word : {"true", "yes", "on"}) {
    options_.train.tensorboard = false;
    set_option(sections_, "train.tensorboard", word);
    EXPECT_TRUE(options_.train.tensorboard) << word;
  }
  for (const char* word : {"false", "no", "off"}) {
    options_.train.tensorboard = true;
    set_option(sections_, "train.tensorboard", word);
    EXPECT_FALSE(options_.train.tensorboard) << word;
  }
  EXPECT_EQ(error("train.tensorboard", "1"), "run.yaml:3: train.tensorboard: '1' is neither true nor false");
}

TEST_F(SetOption, RefusesWhatIsNotANumber) {
  EXPECT_EQ(error("model.hidden", "abc"), "run.yaml:3: model.hidden: 'abc' is not a whole number");
  for (const char* text : {"", " 8", "8 ", "8.0", "1e3", "0x10", "4k", "+8", "--8", "8,0", "true", "nan"}) {
    EXPECT_THAT(error("model.hidden", text), HasSubstr("is not a whole number")) << text;
  }
  for (const char* text : {"", "abc", "1,5", "0.1.2", "1e", "0.1 ", "nan", "-nan"}) {
    EXPECT_THAT(error("model.dropout", text), HasSubstr("is not a number")) << text;
  }
  EXPECT_EQ(options_.model.hidden, RunOptions().model.hidden);
  EXPECT_EQ(options_.model.dropout, RunOptions().model.dropout);
}

TEST_F(SetOption, NamesTheRange) {
  EXPECT_EQ(error("model.heads", "0"),
            "run.yaml:3: model.heads: '0' is out of range; give a whole number from 1 to 4096");
  EXPECT_EQ(error("train.seed", "-1"),
            "run.yaml:3: train.seed: '-1' is out of range; give a whole number of at least 0");
  EXPECT_EQ(error("data.mask-ratio", "1.01"),
            "run.yaml:3: data.mask-ratio: '1.01' is out of range; give a number from 0 to 1");
  for (const char* text : {"99999999999999999999999", "-99999999999999999999999"}) {
    EXPECT_THAT(error("train.max-updates", text), HasSubstr("is out of range")) << text;
  }
  for (const char* text : {"inf", "-inf", "1e999", "infinity"}) {
    EXPECT_THAT(error("train.max-minutes", text), HasSubstr("is out of range")) << text;
  }
  set_option(sections_, "model.heads", "1");
  set_option(sections_, "model.heads", "4096");
  set_option(sections_, "data.mask-ratio", "1");
}

TEST_F(SetOption, ListsTheChoices) {
  EXPECT_EQ(error("model.norm", "before"), "run.yaml:3: model.norm: 'before' is none of its choices: pre, post");
  EXPECT_EQ(error("optimizer.schedule", "inverse_sqrt"),
            "run.yaml:3: optimizer.schedule: 'inverse_sqrt' is none of its choices: inverse-sqrt, cosine, linear, "
            "constant; did you mean 'inverse-sqrt'?");
}

TEST_F(SetOption, KnowsAnEnumByItsWords) {
  set_option(sections_, "model.moe.router", "expert-choice");
  EXPECT_EQ(options_.model.moe.router, RouterKind::kExpertChoice);
  EXPECT_EQ(error("model.moe.router", "expert choice"),
            "run.yaml:3: model.moe.router: 'expert choice' is none of its choices: token-choice, sigmoid, "
            "expert-choice; did you mean 'expert-choice'?");
  EXPECT_EQ(word_of(RouterKind::kSigmoid), "sigmoid");
  EXPECT_THROW(from_word<RouterKind>("softmax"), Error);
}

TEST_F(SetOption, NamesTheNearestRightKey) {
  EXPECT_EQ(error("model.hiden", "8"), "run.yaml:3: unknown key 'model.hiden'; did you mean 'model.hidden'?");
  EXPECT_EQ(error("train.label_smoothing", "0.1"),
            "run.yaml:3: unknown key 'train.label_smoothing'; use 'train.label-smoothing'");
  EXPECT_EQ(error("hidden", "8"), "run.yaml:3: unknown key 'hidden'; use 'model.hidden'");
  EXPECT_EQ(error("zzz.yyyyyyyy", "8"), "run.yaml:3: unknown key 'zzz.yyyyyyyy'; `polymoe config` prints every key");
  EXPECT_THAT(error({"modle", {}, Kind::kSection, {"run.yaml", 1}}),
              StartsWith("run.yaml:1: unknown key 'modle'; did you mean 'model'?"));
  EXPECT_THAT(error({"modle", {}, Kind::kNothing, {}}), HasSubstr("unknown key 'modle'"));
  EXPECT_THAT(error("model.", "8"), HasSubstr("unknown key"));
  EXPECT_THAT(error("", "8"), HasSubstr("unknown key"));
}

TEST_F(SetOption, TakesTheKeyOfOlderVersions) {
  set_option(sections_, "parallel.model", "4");
  EXPECT_EQ(options_.parallel.tensor, 4);
}

TEST_F(SetOption, TellsSectionsListsAndValuesApart) {
  EXPECT_EQ(error("model", "5"), "run.yaml:3: model: a value stands where keys are wanted; 'model' is a section");
  EXPECT_THAT(error({"model.moe", {"a"}, Kind::kList, {}}), HasSubstr("a value stands where keys are wanted"));
  EXPECT_THAT(error({"model.hidden", {"1", "2"}, Kind::kList, {}}),
              HasSubstr("a list stands where one value is wanted"));
  EXPECT_THAT(error({"model.hidden", {}, Kind::kSection, {}}), HasSubstr("keys stand where a value is wanted"));
  EXPECT_THAT(error({"model.hidden", {}, Kind::kNothing, {}}), HasSubstr("no value is given"));
  EXPECT_THAT(error({"data.directions", {}, Kind::kNothing, {}}), HasSubstr("no value is given"));
  EXPECT_EQ(error({"train", {}, Kind::kNothing, {}}), "no error");
  EXPECT_EQ(error({"model", {}, Kind::kSection, {}}), "no error");
}

TEST_F(SetOption, RefusesTextThatCouldNotBeWrittenBack) {
  EXPECT_THAT(error("train.output", std::string("a\0b", 3)), HasSubstr("is not text in UTF-8"));
  EXPECT_THAT(error("train.output", "caf\xe9"), HasSubstr("'caf\\xe9' is not text in UTF-8"));
}

TEST_F(SetOption, KeepsTheMessageShortWhateverTheValue) {
  EXPECT_LT(error("model.hidden", std::string(1'000'000, '\n')).size(), 200u);
  EXPECT_LT(error(std::string(1'000'000, 'k'), "1").size(), 200u);
}

// A later section's name may begin with an earlier one's: "model" and "model.moe".
TEST_F(SetOption, KnowsASectionThatHasNoTableItself) {
  MoeOptions moe;
  std::vector<Section> sections{{"model.moe", "", {{"experts", &moe.experts, "", {}}}}};
  set_option(sections, "model.moe.experts", "4");
  set_option(sections, {"model", {}, Kind::kSection, {}});
  EXPECT_EQ(moe.experts, 4);
  EXPECT_THAT(error_of([&] { set_option(sections, "mod", "4"); }), HasSubstr("unknown key"));
}

TEST(MergeYaml, StoresTheFileAndTellsWhatItGave) {
  DecodeOptions options;
  std::vector<Section> sections = sections_of(options);
  const TemporaryFile file("decode:\n  beam-size: 7\n");
  const GivenKeys given = merge_yaml(sections, file.path());
  EXPECT_EQ(options.beam_size, 7);
  ASSERT_EQ(given.size(), 1u);
  EXPECT_EQ(given.at("decode.beam-size").line, 2u);
}

class LoadRunOptions : public ::testing::Test {
 protected:
  static Assignment override(const std::string& key, const std::string& value) {
    return {key, {value}, Kind::kValue, {"command line", 0}};
  }
  static LoadedOptions load(const std::string& yaml, const std::vector<Assignment>& overrides = {}) {
    const TemporaryFile file(yaml);
    return load_run_options(file.path(), overrides);
  }
};

TEST_F(LoadRunOptions, WithoutAnythingGivesTheDefaults) {
  const LoadedOptions loaded = load_run_options(std::nullopt, {});
  EXPECT_EQ(loaded.options.model.hidden, 512);
  EXPECT_TRUE(loaded.given.empty());
}

TEST_F(LoadRunOptions, TheCommandLineWinsOverTheFileAndTheFileOverDefaults) {
  PlannerOptions defaults;
  defaults.train.seed = 5;
  defaults.model.ffn = 99;
  const TemporaryFile file("train: {seed: 6, log-freq: 7}\n");
  const LoadedOptions loaded = load_run_options(file.path(), {override("train.log-freq", "8")}, defaults);
  EXPECT_EQ(loaded.options.train.seed, 6);
  EXPECT_EQ(loaded.options.train.log_freq, 8);
  EXPECT_EQ(loaded.options.model.ffn, 99);
  EXPECT_EQ(loaded.given.at("train.seed").line, 1u);
  EXPECT_EQ(loaded.given.at("train.log-freq").path, "command line");
  EXPECT_EQ(loaded.given.size(), 2u);
}

TEST_F(LoadRunOptions, KeysBesideAPresetWinWhereverBothStand) {
  for (const LoadedOptions& loaded :
       {load("model: {ffn: 111, preset: small}\n"), load("model: {preset: small, ffn: 111}\n"),
        load("model: {ffn: 111}\n", {override("model.preset", "small")}),
        load("model: {preset: small}\n", {override("model.ffn", "111")}),
        load("", {override("model.ffn", "111"), override("model.preset", "small")}),
        load("model: {preset: large, ffn: 111}\n", {override("model.preset", "small")})}) {
    EXPECT_EQ(loaded.options.model.preset, "small");
    EXPECT_EQ(loaded.options.model.hidden, 256);  // the preset's
    EXPECT_EQ(loaded.options.model.decoder_layers, 2);
    EXPECT_EQ(loaded.options.model.ffn, 111);
  }
}

TEST_F(LoadRunOptions, ALearningRateThatIsNotGivenFollowsTheWidth) {
  EXPECT_EQ(load("").options.optimizer.learning_rate, 0.4 / 512);
  EXPECT_EQ(load("model: {hidden: 128}\n").options.optimizer.learning_rate, 0.4 / 128);
  EXPECT_EQ(load("", {override("model.preset", "large")}).options.optimizer.learning_rate, 0.4 / 1024);
  EXPECT_EQ(load("optimizer: {learning-rate: 0}\n").options.optimizer.learning_rate, 0.0);
  EXPECT_EQ(
      load("model: {hidden: 128}\n", {override("optimizer.learning-rate", "5e-4")}).options.optimizer.learning_rate,
      5e-4);
}

TEST_F(LoadRunOptions, APresetCanBeTakenBack) {
  EXPECT_EQ(load("model: {preset: small}\n", {override("model.preset", "none")}).options.model.hidden, 512);
}

TEST_F(LoadRunOptions, AKeyOfOlderVersionsIsTakenWithARemark) {
  const TemporaryFile file("parallel:\n  model: 2\n");
  const LoadedOptions loaded = load_run_options(file.path(), {});
  EXPECT_EQ(loaded.options.parallel.tensor, 2);
  EXPECT_EQ(loaded.given.at("parallel.tensor").path, file.path());
  EXPECT_EQ(loaded.given.count("parallel.model"), 0u);
  set_strict(true);
  EXPECT_EQ(error_of([&] { load_run_options(file.path(), {}); }),
            file.path() +
                ":2: parallel.model is called parallel.tensor now (an error with --strict); write "
                "parallel.tensor");
  set_strict(false);
}

TEST_F(LoadRunOptions, AnUnknownPresetListsTheKnownOnes) {
  EXPECT_THAT(
      error_of([] { load("model:\n  preset: smal\n"); }),
      HasSubstr(":2: model.preset: 'smal' is none of its choices: none, tiny, small, base, large, z-code-m3; did "
                "you mean 'small'?"));
}

TEST_F(LoadRunOptions, ContradictionsNameTheirPlace) {
  EXPECT_THAT(error_of([] { load("model:\n  hidden: 100\n  heads: 8\n"); }),
              HasSubstr(":3: model.heads: 8 heads do not divide model.hidden = 100"));
  EXPECT_THAT(error_of([] { load("model:\n  hidden: 100\n"); }),
              HasSubstr(":2: model.heads: 8 heads do not divide model.hidden = 100"));
  EXPECT_EQ(error_of([] { load("", {override("model.hidden", "100")}); }),
            "command line: model.heads: 8 heads do not divide model.hidden = 100");
}

TEST_F(LoadRunOptions, ErrorsInTheFileComeWithItsLine) {
  EXPECT_THAT(error_of([] { load("model:\n  hidden: 64\n\n  hiden: 64\n"); }),
              HasSubstr(":4: unknown key 'model.hiden'; did you mean 'model.hidden'?"));
  EXPECT_THAT(error_of([] { load("train:\n  hidden: 64\n"); }),
              HasSubstr(":2: unknown key 'train.hidden'; did you mean 'model.hidden'?"));
}

}  // namespace
}  // namespace polymoe
