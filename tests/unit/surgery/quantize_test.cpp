#include "polymoe/surgery/quantize.h"

#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "polymoe/checkpoint/model_checkpoint.h"
#include "polymoe/inference/load.h"
#include "polymoe/tensor/torch_headers.h"
#include "support/temporary_folder.h"
#include "unit/surgery/models.h"

namespace polymoe {
namespace {

using testing::error_text;
using ::testing::HasSubstr;
using testing::surgery_options;
using testing::write_model;

constexpr const char* kUp = "encoder.layers.1.feed_forward.moe.experts.0.up_weight";
constexpr const char* kQkv = "encoder.layers.0.self_attention.qkv.weight";
constexpr const char* kGate = "encoder.layers.1.feed_forward.moe.gate.weight";

QuantizeOptions quantizing(const testing::TemporaryFolder& folder, StoredWeights to) {
  QuantizeOptions options;
  options.checkpoint = folder / "model";
  options.to = to;
  options.output = folder / "small";
  return options;
}

TEST(Quantize, Int4IsOfExpertsAlone) {
  const testing::TemporaryFolder folder;
  write_model(folder / "model", surgery_options(4), 1);
  quantize_checkpoint(quantizing(folder, StoredWeights::kInt4));
  const Checkpoint small = Checkpoint::open(folder / "small");
  EXPECT_EQ(quantized_to(small), "int4");
  EXPECT_EQ(small.spec("model", kUp).dtype, Dtype::kU8);
  EXPECT_EQ(small.spec("model", kQkv).dtype, Dtype::kI8);
  EXPECT_EQ(small.spec("model", kGate).dtype, Dtype::kF32);
  EXPECT_NO_THROW(load_decoding_model(small, "float32", "cpu"));
}

TEST(Quantize, RefusesModelsThatCouldNotUseTheResult) {
  const testing::TemporaryFolder folder;
  const auto refusal = [&](RunOptions options, StoredWeights to) {
    write_model(folder / "model", options, 1);
    return error_text([&] { quantize_checkpoint(quantizing(folder, to)); });
  };
  EXPECT_THAT(refusal(surgery_options(0), StoredWeights::kInt4), HasSubstr("has no experts, which int4 is for"));
  RunOptions odd = surgery_options(4);
  odd.model.ffn = 15;
  EXPECT_THAT(refusal(odd, StoredWeights::kInt4), HasSubstr("kept in pairs"));
  RunOptions choosing = surgery_options(4);
  choosing.model.moe.side = MoeSide::kEncoder;
  choosing.model.moe.router = RouterKind::kExpertChoice;
  choosing.model.moe.capacity = CapacityKind::kLimited;
  EXPECT_THAT(refusal(choosing, StoredWeights::kInt8), HasSubstr("whose experts choose their tokens"));
  EXPECT_FALSE(std::filesystem::exists(folder / "small"));
}

// Copies the model, one tensor of it as bytes of the same shape.
std::string refusal_of_bytes(const testing::TemporaryFolder& folder, const std::string& changed, const char* weights) {
  const Checkpoint whole = Checkpoint::open(folder / "model");
  CheckpointWriter writer(folder / "changed");
  for (const std::string& name : whole.names("model")) {
    const at::Tensor value = whole.read("model", name);
    writer.add("model", name, name == changed ? value.to(at::kByte) : value);
  }
  nlohmann::json meta{{"config", whole.meta().at("config")}};
  if (weights != nullptr) meta["weights"] = weights;
  writer.commit(meta);
  return error_text([&] { load_decoding_model(Checkpoint::open(folder / "changed"), "float32", "cpu"); });
}

TEST(Quantize, BytesThatAreNoPairsOfAnExpertAreRefused) {
  const testing::TemporaryFolder folder;
  write_model(folder / "model", surgery_options(4), 1);
  for (const char* weights : {static_cast<const char*>(nullptr), "int8"}) {
    for (const char* name : {kUp, kQkv, kGate, "encoder.layers.0.self_attention.qkv.bias"}) {
      EXPECT_THAT(refusal_of_bytes(folder, name, weights), HasSubstr("holds bytes")) << name;
    }
  }
  EXPECT_THAT(refusal_of_bytes(folder, kGate, "int4"), HasSubstr("holds bytes"));
  EXPECT_THAT(refusal_of_bytes(folder, "encoder.layers.1.feed_forward.moe.experts.0.up_bias", "int4"),
              HasSubstr("holds bytes"));
  EXPECT_THAT(refusal_of_bytes(folder, kUp, "int4"), HasSubstr("has shape"));
}

}  // namespace
}  // namespace polymoe
