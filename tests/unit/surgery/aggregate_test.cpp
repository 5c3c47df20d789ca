#include "polymoe/surgery/aggregate.h"
#include "polymoe/comm/communicator.h"
#include "polymoe/parallel/parallel_model.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

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

constexpr const char* kMoe = "encoder.layers.1.feed_forward.moe.";

std::string message_of_merge(const AggregateOptions& options) {
  const std::string text = error_text([&] { aggregate_experts(options); });
  EXPECT_FALSE(fs::exists(options.output)) << "something is left of a merge that failed";
  return text;
}

TEST(Aggregate, UnitesExpertsOfDifferentNumbersAndAveragesTheRest) {
  const testing::TemporaryFolder folder;
  write_model(folder / "a", surgery_options(3), 1);
  write_model(folder / "b", surgery_options(2), 2);
  aggregate_experts({{folder / "a", folder / "b"}, {3, 1}, false, folder / "ab"});
  const Checkpoint a = Checkpoint::open(folder / "a"), b = Checkpoint::open(folder / "b"),
                   united = Checkpoint::open(folder / "ab");
  const auto read = [](const Checkpoint& from, const std::string& name) { return from.read("model", name); };
  const std::string moe = kMoe;
  for (int e = 0; e < 5; ++e) {
    for (const char* part : {".up_weight", ".up_bias", ".down_weight", ".down_bias"}) {
      const at::Tensor expected = e < 3 ? read(a, moe + "experts." + std::to_string(e) + part)
                                        : read(b, moe + "experts." + std::to_string(e - 3) + part);
      EXPECT_TRUE(at::equal(read(united, moe + "experts." + std::to_string(e) + part), expected)) << e << part;
    }
  }
  EXPECT_FALSE(united.has("model", moe + "experts.5.up_weight"));
  EXPECT_TRUE(at::equal(read(united, moe + "gate.weight"),
                        at::cat({read(a, moe + "gate.weight"), read(b, moe + "gate.weight")})));
  const at::Tensor shared = 0.75 * read(a, "embedding").to(at::kDouble) + 0.25 * read(b, "embedding").to(at::kDouble);
  EXPECT_TRUE(at::equal(read(united, "embedding"), shared.to(at::kFloat)));
  EXPECT_EQ(options_of(united).model.moe.experts, 5);
  EXPECT_TRUE(std::isfinite(testing::loss_of_checkpoint(folder / "ab")));
  EXPECT_EQ(united.groups(), std::vector<std::string>{"model"});
}

TEST(Aggregate, UnitesTheBiasesOfRouters) {
  const testing::TemporaryFolder folder;
  RunOptions first = surgery_options(3), second = surgery_options(2);
  first.model.moe.router = second.model.moe.router = RouterKind::kSigmoid;
  write_model(folder / "a", first, 1);
  write_model(folder / "b", second, 2);
  aggregate_experts({{folder / "a", folder / "b"}, {}, false, folder / "ab"});
  const Checkpoint united = Checkpoint::open(folder / "ab");
  EXPECT_EQ(united.read("model", std::string(kMoe) + "gate.bias").sizes().vec(), std::vector<std::int64_t>{5});
  EXPECT_TRUE(std::isfinite(testing::loss_of_checkpoint(folder / "ab")));
}

TEST(Aggregate, TakesThreeModelsAndLayersOfDifferentSizes) {
  const testing::TemporaryFolder folder;
  RunOptions uneven = surgery_options(3);
  uneven.model.moe.experts_per_layer = {3, 1};
  write_model(folder / "a", uneven, 1);
  write_model(folder / "b", surgery_options(2), 2);
  aggregate_experts({{folder / "a", folder / "b", folder / "a"}, {}, false, folder / "aba"});
  const MoeOptions moe = options_of(Checkpoint::open(folder / "aba")).model.moe;
  EXPECT_EQ(moe.experts, 8);
  EXPECT_EQ(moe.experts_per_layer, (std::vector<std::int64_t>{8, 4}));
  EXPECT_TRUE(std::isfinite(testing::loss_of_checkpoint(folder / "aba")));
}

// A token meets two equal halves of a gate: it goes where it went, with half the probability.
TEST(Aggregate, OfAModelWithItselfHalvesTheProbabilities) {
  const testing::TemporaryFolder folder;
  write_model(folder / "a", surgery_options(2), 1);
  aggregate_experts({{folder / "a", folder / "a"}, {}, false, folder / "aa"});
  const Checkpoint united = Checkpoint::open(folder / "aa");
  const at::Tensor x = at::ones({1, 16}), gate = united.read("model", std::string(kMoe) + "gate.weight");
  const at::Tensor both = at::softmax(at::linear(x, gate), 1), one = at::softmax(at::linear(x, gate.slice(0, 0, 2)), 1);
  EXPECT_TRUE(at::allclose(both.slice(1, 0, 2), one / 2));
}

TEST(Aggregate, MergesTheOptimiserStateSoThatTrainingCanTakeIt) {
  const testing::TemporaryFolder folder;
  write_model(folder / "a", surgery_options(2), 1, {.optimizer = true, .steps = 40});
  write_model(folder / "b", surgery_options(1), 2, {.optimizer = true, .steps = 60});
  aggregate_experts({{folder / "a", folder / "b"}, {}, true, folder / "ab"});
  const Checkpoint united = Checkpoint::open(folder / "ab");
  EXPECT_EQ(united.meta().at("adam_steps"), 60);
  const std::unique_ptr<Communicator> alone = make_self_communicator();
  ParallelModel model(surgery_options(3), *alone);
  read_model(united, model);
  read_optimizer(united, model);
  const auto all_are = [&](const std::string& name, double value) {
    return (united.read("optimizer", name) == value).all().item<bool>();
  };
  EXPECT_TRUE(all_are("first_moment/embedding", 0.375)) << "the mean of 0.25 and 0.5";
  EXPECT_TRUE(all_are("second_moment/embedding", 0.75));
  EXPECT_TRUE(all_are(std::string("first_moment/") + kMoe + "experts.1.up_weight", 0.25));
  EXPECT_TRUE(all_are(std::string("second_moment/") + kMoe + "experts.2.up_weight", 1.0));
  const at::Tensor gate = united.read("optimizer", std::string("first_moment/") + kMoe + "gate.weight");
  EXPECT_TRUE(at::equal(gate.select(1, 0), at::tensor({0.25f, 0.25f, 0.5f})));
}

TEST(Aggregate, RefusesWhatDoesNotMatchAndNamesTheFirstTensor) {
  const testing::TemporaryFolder folder;
  write_model(folder / "a", surgery_options(2), 1, {.optimizer = true});
  RunOptions other = surgery_options(2);
  other.model.ffn = 64;
  write_model(folder / "b", other, 2);
  EXPECT_THAT(message_of_merge({{folder / "a", folder / "b"}, {}, false, folder / "ab"}),
              HasSubstr("tensor 'decoder.layers.0.feed_forward.ffn.down.weight' has shape 16x64, but 16x32 in"));
  other = surgery_options(2);
  other.model.moe.side = MoeSide::kEncoder;
  write_model(folder / "b", other, 2);
  EXPECT_THAT(message_of_merge({{folder / "a", folder / "b"}, {}, false, folder / "ab"}),
              HasSubstr("has a tensor 'decoder.layers.1.feed_forward.ffn.down.bias', but"));
  other = surgery_options(2);
  other.model.norm = NormOrder::kPost;  // names the norms that are missing
  write_model(folder / "b", other, 2);
  EXPECT_THAT(message_of_merge({{folder / "a", folder / "b"}, {}, false, folder / "ab"}),
              HasSubstr("has no tensor 'decoder.norm.bias', but"));
  write_model(folder / "b", surgery_options(2), 2);
  EXPECT_THAT(message_of_merge({{folder / "a", folder / "b"}, {}, true, folder / "ab"}),
              HasSubstr("holds no optimiser state to merge"));
  EXPECT_THAT(message_of_merge({{folder / "a"}, {}, false, folder / "ab"}), HasSubstr("at least two checkpoints"));
  write_model(folder / "dense", surgery_options(0), 2);
  EXPECT_THAT(message_of_merge({{folder / "dense", folder / "dense"}, {}, false, folder / "ab"}),
              HasSubstr("has no experts to unite"));
}

TEST(Aggregate, StaysBelowOneBlockInMemory) {
  const testing::TemporaryFolder folder;
  RunOptions options = surgery_options(8);
  options.model.hidden = 256;
  options.model.ffn = 1024;
  for (const int seed : {1, 2}) write_model(folder / std::to_string(seed), options, seed, {.optimizer = true});
  const DeviceMemory memory(at::kCPU, 0, 0);
  aggregate_experts({{folder / "1", folder / "2"}, {}, true, folder / "both"});
  // Experts of 2 matrices of 1 MiB: a MoE block of the result has 32 MiB of them, the model 64, with its moments 192.
  constexpr std::int64_t kMatrix = 256 * 1024 * 4, kChunks = 3 << 20;
  EXPECT_LE(total_of(memory.peak()), kMatrix + kChunks + 4096);
}

}  // namespace
}  // namespace polymoe
