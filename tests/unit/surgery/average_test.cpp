#include "polymoe/surgery/average.h"

#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "polymoe/base/files.h"
#include "polymoe/checkpoint/model_checkpoint.h"
#include "polymoe/tensor/device_memory.h"
#include "polymoe/tensor/torch_headers.h"
#include "support/temporary_folder.h"
#include "unit/surgery/models.h"

namespace polymoe {
namespace {

namespace fs = std::filesystem;
using testing::error_text;
using ::testing::HasSubstr;
using testing::surgery_options;
using testing::write_model;

TEST(Average, IsTheMeanOfEachElementRoundedOnce) {
  const testing::TemporaryFolder folder;
  for (const int seed : {1, 2, 3}) write_model(folder / std::to_string(seed), surgery_options(2), seed);
  average_checkpoints({{folder / "1", folder / "2", folder / "3"}, {1, 1, 2}, folder / "mean"});
  const Checkpoint a = Checkpoint::open(folder / "1"), b = Checkpoint::open(folder / "2"),
                   c = Checkpoint::open(folder / "3"), mean = Checkpoint::open(folder / "mean");
  mean.verify();
  ASSERT_EQ(mean.names("model"), a.names("model"));
  for (const std::string& name : a.names("model")) {
    const auto wide = [&](const Checkpoint& checkpoint) { return checkpoint.read("model", name).to(at::kDouble); };
    const at::Tensor expected = (0.25 * wide(a) + 0.25 * wide(b) + 0.5 * wide(c)).to(at::kFloat);
    EXPECT_TRUE(at::equal(mean.read("model", name), expected)) << name;
  }
}

TEST(Average, OfAModelWithItselfIsTheModelBitForBit) {
  const testing::TemporaryFolder folder;
  write_model(folder / "a", surgery_options(2), 1, {.optimizer = true});
  average_checkpoints({{folder / "a", folder / "a"}, {}, folder / "mean"});
  const Checkpoint a = Checkpoint::open(folder / "a"), mean = Checkpoint::open(folder / "mean");
  for (const std::string& name : a.names("model")) {
    EXPECT_TRUE(at::equal(mean.read("model", name), a.read("model", name))) << name;
  }
  EXPECT_EQ(mean.groups(), std::vector<std::string>{"model"}) << "without optimiser state";
}

TEST(Average, LeavesItsSourcesAndTheCheckpointsOfTrainingsAlone) {
  const testing::TemporaryFolder folder;
  for (const int seed : {1, 2, 3}) write_model(folder / std::to_string(seed), surgery_options(2), seed);
  const auto average_into = [&](const char* out) {
    average_checkpoints({{folder / "1", folder / "2"}, {}, folder / out});
  };
  const std::string before = read_file(folder / "1" / "index.json");
  EXPECT_THAT(error_text([&] { average_into("1"); }), HasSubstr("is what the new checkpoint is made from"));
  EXPECT_THAT(error_text([&] { average_into("3"); }), HasSubstr("holds a checkpoint of a training"));
  EXPECT_EQ(read_file(folder / "1" / "index.json"), before);
  average_into("mean");
  average_into("mean");  // an earlier result may be replaced
}

TEST(Average, RefusesASourceThatIsDamaged) {
  const testing::TemporaryFolder folder;
  for (const int seed : {1, 2}) write_model(folder / std::to_string(seed), surgery_options(2), seed);
  for (const auto& entry : fs::directory_iterator(folder / "2")) {
    if (entry.path().extension() != ".safetensors") continue;
    std::fstream file(entry.path(), std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(-4, std::ios::end).write("\xff\xff\xff\xff", 4);
  }
  EXPECT_THAT(error_text([&] {
                average_checkpoints({{folder / "1", folder / "2"}, {}, folder / "mean"});
              }),
              HasSubstr("checksum"));
  EXPECT_FALSE(fs::exists(folder / "mean"));
}

TEST(Average, GivesACheckpointThatLoadsAndTellsWhereItCameFrom) {
  const testing::TemporaryFolder folder;
  for (const int seed : {1, 2}) write_model(folder / std::to_string(seed), surgery_options(2), seed);
  average_checkpoints({{folder / "1", folder / "2"}, {3, 1}, folder / "mean"});
  EXPECT_TRUE(std::isfinite(testing::loss_of_checkpoint(folder / "mean")));
  EXPECT_EQ(read_file(vocabulary_of(folder / "mean")), "a vocabulary");
  const nlohmann::json origin = Checkpoint::open(folder / "mean").meta().at("origin");
  EXPECT_EQ(origin.at("command"), "average");
  EXPECT_EQ(origin.at("weights"), (std::vector<double>{0.75, 0.25}));
  EXPECT_EQ(origin.at("sources").at(1).at("path"), (folder / "2").string());
  EXPECT_EQ(origin.at("sources").at(1).at("update"), 102);
}

TEST(Average, RefusesOtherModelsAndNamesTheFirstTensorThatDiffers) {
  const testing::TemporaryFolder folder;
  write_model(folder / "a", surgery_options(2), 1);
  const auto refusal = [&](const RunOptions& options) {
    write_model(folder / "b", options, 2);
    const std::string text = error_text([&] {
      average_checkpoints({{folder / "a", folder / "b"}, {}, folder / "mean"});
    });
    EXPECT_FALSE(fs::exists(folder / "mean"));
    return text;
  };
  RunOptions other = surgery_options(2);
  other.model.ffn = 48;
  EXPECT_THAT(refusal(other), HasSubstr("tensor 'decoder.layers.0.feed_forward.ffn.down.weight' has shape 16x48, but "
                                        "16x32 in"));
  other = surgery_options(3);
  EXPECT_THAT(refusal(other), HasSubstr("has a tensor 'decoder.layers.1.feed_forward.moe.experts.2.down_bias', but"));
  other = surgery_options(2);
  other.model.decoder_layers = 1;
  EXPECT_THAT(refusal(other), HasSubstr("has no tensor 'decoder.layers.1."));
  other = surgery_options(2);
  other.model.heads = 2;  // the tensors are the same
  EXPECT_THAT(refusal(other), HasSubstr("model.heads is 2, but 4 in"));
}

TEST(Average, TakesModelsThatWereTrainedWithOtherDropoutAndCapacity) {
  const testing::TemporaryFolder folder;
  write_model(folder / "a", surgery_options(2), 1);
  RunOptions other = surgery_options(2);
  other.model.dropout = 0.3;
  other.model.moe.capacity = CapacityKind::kLimited;
  write_model(folder / "b", other, 2);
  EXPECT_NO_THROW(average_checkpoints({{folder / "a", folder / "b"}, {}, folder / "mean"}));
}

TEST(Average, RefusesOtherVocabulariesAndWeightsThatMakeNoMean) {
  const testing::TemporaryFolder folder;
  write_model(folder / "a", surgery_options(2), 1);
  write_model(folder / "b", surgery_options(2), 2, {.vocabulary = "another"});
  const auto refusal = [&](const std::string& second, const std::vector<double>& weights) {
    return error_text([&] { average_checkpoints({{folder / "a", folder / second}, weights, folder / "mean"}); });
  };
  EXPECT_THAT(refusal("b", {}), HasSubstr("its vocab.model is not that of"));
  EXPECT_THAT(refusal("a", {1}), HasSubstr("1 weights for 2 checkpoints"));
  EXPECT_THAT(refusal("a", {1, -1}), HasSubstr("weight -1 is not"));
  EXPECT_THAT(refusal("a", {0, 0}), HasSubstr("sum to 0"));
  EXPECT_THAT(refusal("none", {}), HasSubstr("holds no checkpoint"));
  EXPECT_FALSE(fs::exists(folder / "mean"));
}

TEST(Average, HoldsOneTensorInMemoryAtATime) {
  const testing::TemporaryFolder folder;
  RunOptions options = surgery_options(4);
  options.model.vocabulary = 4096;
  options.model.hidden = 256;  // an embedding of 4 MiB, experts of 2 MiB
  options.model.ffn = 1024;
  for (const int seed : {1, 2, 3}) write_model(folder / std::to_string(seed), options, seed);
  const DeviceMemory memory(at::kCPU, 0, 0);
  average_checkpoints({{folder / "1", folder / "2", folder / "3"}, {}, folder / "mean"});
  constexpr std::int64_t kLargest = 4096 * 256 * 4, kChunks = 3 << 20;
  EXPECT_GE(total_of(memory.peak()), kLargest);
  EXPECT_LE(total_of(memory.peak()), kLargest + kChunks + 4096);
}

}  // namespace
}  // namespace polymoe
