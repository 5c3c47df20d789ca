#include "polymoe/surgery/prune.h"
#include "polymoe/config/sections.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "polymoe/base/files.h"
#include "polymoe/checkpoint/model_checkpoint.h"
#include "polymoe/config/describe.h"
#include "polymoe/surgery/speed.h"
#include "polymoe/tensor/device_memory.h"
#include "polymoe/tensor/torch_headers.h"
#include "support/temporary_folder.h"
#include "unit/surgery/models.h"

namespace polymoe {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::loss_of_checkpoint;
using ::testing::SizeIs;
using testing::surgery_options;
using testing::write_model;

constexpr const char* kDecoderMoe = "decoder.layers.1.feed_forward.moe.";

PruneOptions by_use(const testing::TemporaryFolder& folder, const std::vector<std::int64_t>& keep) {
  PruneOptions options;
  options.checkpoint = folder / "model";
  options.usage = folder.write("usage.json", R"({"layers": {
      "encoder.layers.1": {"directions": {"en-de": [0.4, 0.3, 0.2, 0.1], "de-en": [0.1, 0.2, 0.3, 0.4]}},
      "decoder.layers.1": {"directions": {"en-de": [0.1, 0.2, 0.6, 0.1], "de-en": [0.9, 0.1, 0, 0]}}}})");
  options.directions = {"en-de"};
  options.keep = keep;
  options.output = folder / "pruned";
  return options;
}

TEST(Prune, KeepsTheBiasesOfTheExpertsThatStay) {
  const testing::TemporaryFolder folder;
  RunOptions options = surgery_options(4);
  options.model.moe.router = RouterKind::kSigmoid;
  write_model(folder / "model", options, 1);
  prune(by_use(folder, {2}));
  const Checkpoint pruned = Checkpoint::open(folder / "pruned");
  EXPECT_EQ(pruned.read("model", std::string(kDecoderMoe) + "gate.bias").sizes().vec(), std::vector<std::int64_t>{2});
  EXPECT_TRUE(std::isfinite(loss_of_checkpoint(folder / "pruned")));
}

TEST(Prune, KeepsTheMostUsedSlicesGatesAndNumbersAnew) {
  const testing::TemporaryFolder folder;
  write_model(folder / "model", surgery_options(4), 1, {.optimizer = true});
  const PruneReport report = prune(by_use(folder, {2}));
  EXPECT_THAT(report.kept, ElementsAre(ElementsAre(0, 1), ElementsAre(1, 2)));
  const Checkpoint from = Checkpoint::open(folder / "model"), pruned = Checkpoint::open(folder / "pruned");
  pruned.verify();
  const std::string moe = kDecoderMoe;
  const auto read = [](const Checkpoint& checkpoint, const std::string& name) {
    return checkpoint.read("model", name);
  };
  for (const char* part : {"up_weight", "up_bias", "down_weight", "down_bias"}) {
    EXPECT_TRUE(at::equal(read(pruned, moe + "experts.0." + part), read(from, moe + "experts.1." + part)));
    EXPECT_TRUE(at::equal(read(pruned, moe + "experts.1." + part), read(from, moe + "experts.2." + part)));
  }
  EXPECT_FALSE(pruned.has("model", moe + "experts.2.up_weight"));
  EXPECT_TRUE(at::equal(read(pruned, moe + "gate.weight"), read(from, moe + "gate.weight").slice(0, 1, 3)));
  EXPECT_TRUE(at::equal(read(pruned, "embedding"), read(from, "embedding")));
  EXPECT_EQ(pruned.groups(), std::vector<std::string>{"model"});
  EXPECT_EQ(options_of(pruned).model.moe.experts, 2);
  EXPECT_TRUE(std::isfinite(loss_of_checkpoint(folder / "pruned")));
}

TEST(Prune, RecordsWhatCameFromWhereOverSeveralCuts) {
  const testing::TemporaryFolder folder;
  write_model(folder / "model", surgery_options(4), 1);
  prune(by_use(folder, {2, 3}));
  PruneOptions again;
  again.checkpoint = folder / "pruned";
  again.by = PruneBy::kLists;
  again.lists = {"decoder.layers.1:2"};
  again.output = folder / "twice";
  prune(again);
  const nlohmann::json origin = Checkpoint::open(folder / "twice").meta().at("origin");
  EXPECT_EQ(origin.at("experts").at("decoder.layers.1"), nlohmann::json({2}));
  const nlohmann::json& before = origin.at("sources").at(0).at("origin");
  EXPECT_EQ(before.at("experts").at("decoder.layers.1"), nlohmann::json({0, 1, 2}));
  EXPECT_EQ(before.at("experts").at("encoder.layers.1"), nlohmann::json({0, 1}));
  EXPECT_EQ(before.at("directions"), nlohmann::json({"en-de"}));
  EXPECT_EQ(before.at("sources").at(0).at("path"), (folder / "model").string());
  EXPECT_EQ(read_file(vocabulary_of(folder / "twice")), "a vocabulary");
}

TEST(Prune, LayersMayKeepDifferentNumbers) {
  const testing::TemporaryFolder folder;
  write_model(folder / "model", surgery_options(4), 1);
  PruneOptions options = by_use(folder, {});
  options.keep_total = {4};  // encoder 0.4, 0.3; decoder 0.6; then 0.2 of either: the first
  const PruneReport report = prune(options);
  EXPECT_THAT(report.kept, ElementsAre(ElementsAre(0, 1, 2), ElementsAre(2)));
  EXPECT_THAT(options_of(Checkpoint::open(options.output)).model.moe.experts_per_layer, ElementsAre(3, 1));
  EXPECT_TRUE(std::isfinite(loss_of_checkpoint(options.output)));
}

TEST(Prune, CountsSidesApart) {
  const testing::TemporaryFolder folder;
  RunOptions deep = surgery_options(4);
  deep.model.encoder_layers = deep.model.decoder_layers = 4;
  write_model(folder / "model", deep, 1);
  PruneOptions options = by_use(folder, {});
  options.by = PruneBy::kRandom;
  options.keep = {3, 1};
  EXPECT_THAT(prune(options).kept, ElementsAre(SizeIs(3), SizeIs(3), SizeIs(1), SizeIs(1)));
  options.keep = {};
  options.keep_total = {6, 3};
  const KeptExperts kept = prune(options).kept;
  EXPECT_EQ(kept[0].size() + kept[1].size(), 6u);
  EXPECT_EQ(kept[2].size() + kept[3].size(), 3u);
  EXPECT_TRUE(std::isfinite(loss_of_checkpoint(options.output)));
}

TEST(Prune, ThatKeepsAllChangesNothing) {
  const testing::TemporaryFolder folder;
  write_model(folder / "model", surgery_options(4), 1);
  prune(by_use(folder, {4}));
  EXPECT_EQ(loss_of_checkpoint(folder / "pruned"), loss_of_checkpoint(folder / "model"));
}

TEST(Prune, CountsSizesBeforeAndAfter) {
  const testing::TemporaryFolder folder;
  write_model(folder / "model", surgery_options(4), 1);
  const PruneReport report = prune(by_use(folder, {3, 1}));
  constexpr std::int64_t kExpert = 2 * 16 * 32 + 16 + 32, kGateRow = 16;
  EXPECT_EQ(report.before.parameters - report.after.parameters, 4 * (kExpert + kGateRow));
  EXPECT_EQ(report.after.bytes, 4u * static_cast<std::uint64_t>(report.after.parameters));
  EXPECT_GE(report.speed_one, 1.0);
  EXPECT_GE(report.speed_many, 1.0);
}

TEST(Prune, RefusesWhatDoesNotFitTheModelAndLeavesNothing) {
  const testing::TemporaryFolder folder;
  write_model(folder / "model", surgery_options(4), 1);
  const auto refusal = [&](const PruneOptions& options) {
    const std::string text = testing::error_text([&] { prune(options); });
    EXPECT_FALSE(fs::exists(folder / "pruned"));
    return text;
  };
  EXPECT_THAT(refusal(by_use(folder, {2, 2, 2})), HasSubstr("3 numbers of experts to keep, but the model has 2 MoE"));
  EXPECT_THAT(refusal(by_use(folder, {5})), HasSubstr("5 experts to keep, but encoder.layers.1 has 4"));
  write_model(folder / "model", surgery_options(0), 1);
  EXPECT_THAT(refusal(by_use(folder, {1})), HasSubstr("has no experts to prune"));
  RunOptions other = surgery_options(4);
  write_model(folder / "whole", other, 1);
  other.model.moe.side = MoeSide::kEncoder;  // a configuration that is not the weights'
  const Checkpoint whole = Checkpoint::open(folder / "whole");
  CheckpointWriter writer(folder / "model");
  for (const std::string& name : whole.names("model")) writer.add("model", name, whole.read("model", name));
  writer.commit({{"config", dump_yaml(sections_of(other))}});
  EXPECT_THAT(refusal(by_use(folder, {1})), HasSubstr("other experts than its configuration tells"));
}

TEST(Prune, HoldsOneMatrixInMemoryAtATime) {
  const testing::TemporaryFolder folder;
  RunOptions options = surgery_options(4);
  options.model.hidden = 256;
  options.model.ffn = 1024;
  write_model(folder / "model", options, 1);
  const DeviceMemory memory(at::kCPU, 0, 0);
  prune(by_use(folder, {2}));
  EXPECT_LE(total_of(memory.peak()), 256 * 1024 * 4 + 65536);
}

// 1 million dense parameters and one layer of experts of 1 million on each side.
TEST(PredictedSpeed, IsBoundByWeightsForOneSentenceAndByProductsForMany) {
  DecodingCost cost;
  cost.encoder = {1e6, {{"layer", {8, 1e6}}}};
  cost.decoder = cost.encoder;
  DecodingCost less = cost;
  less.encoder.layers["layer"].experts = less.decoder.layers["layer"].experts = 2;
  const auto touched = [](double n, double tokens) { return n * (1 - std::pow(1 - 1 / n, tokens)); };
  // One sentence: the encoder multiplies 25 tokens, and 25 steps read what 4 tokens touch.
  const auto one = [&](double n) {
    return std::max(4e6 * (1 + touched(n, 25)) / 10e9, 2 * 2e6 * 25 / 50e9) +
           25 * std::max(4e6 * (1 + touched(n, 4)) / 10e9, 2 * 2e6 * 4 / 50e9);
  };
  EXPECT_NEAR(predicted_seconds(cost, 1) / one(8), 1.0, 1e-12);
  EXPECT_NEAR(predicted_seconds(less, 1) / one(2), 1.0, 1e-12);
  EXPECT_LT(predicted_seconds(less, 1), predicted_seconds(cost, 1));
  // 64 sentences: products alone, which pruning does not change.
  EXPECT_EQ(predicted_seconds(less, 64), predicted_seconds(cost, 64));
}

}  // namespace
}  // namespace polymoe
