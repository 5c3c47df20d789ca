#include "polymoe/surgery/upcycle.h"

#include <cmath>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "polymoe/checkpoint/model_checkpoint.h"
#include "polymoe/tensor/torch_headers.h"
#include "support/temporary_folder.h"
#include "unit/surgery/models.h"

namespace polymoe {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using testing::loss_of_checkpoint;
using testing::surgery_options;
using testing::write_model;

constexpr const char* kExperts = "encoder.layers.1.feed_forward.moe.experts.";

UpcycleOptions into(const testing::TemporaryFolder& folder, std::int64_t experts) {
  UpcycleOptions options;
  options.checkpoint = folder / "dense";
  options.experts = experts;
  options.output = folder / "moe";
  return options;
}

TEST(Upcycle, WithTwoNormalisedExpertsComputesWhatTheDenseModelDoes) {
  const testing::TemporaryFolder folder;
  write_model(folder / "dense", surgery_options(0), 1);
  UpcycleOptions options = into(folder, 4);
  options.top_k = 2;
  upcycle(options);
  // Two equal experts whose weights sum to one; float32 rounding over two layers.
  EXPECT_NEAR(loss_of_checkpoint(folder / "moe"), loss_of_checkpoint(folder / "dense"), 1e-5);
  EXPECT_EQ(options_of(Checkpoint::open(folder / "moe")).model.moe.experts, 4);
}

// The scale makes up for a gate that is nearly undecided; it is not exactly so, and the chosen expert is the likeliest.
TEST(Upcycle, WithOneExpertStartsNearTheDenseModel) {
  const testing::TemporaryFolder folder;
  write_model(folder / "dense", surgery_options(0), 1);
  upcycle(into(folder, 8));
  const double dense = loss_of_checkpoint(folder / "dense");
  EXPECT_NEAR(loss_of_checkpoint(folder / "moe"), dense, 0.02 * dense);
  const Checkpoint made = Checkpoint::open(folder / "moe"), from = Checkpoint::open(folder / "dense");
  const at::Tensor down = from.read("model", "encoder.layers.1.feed_forward.ffn.down.weight");
  EXPECT_TRUE(at::equal(made.read("model", kExperts + std::string("5.down_weight")), down * 8));
  const at::Tensor up = from.read("model", "encoder.layers.1.feed_forward.ffn.up.weight");
  EXPECT_TRUE(at::equal(made.read("model", kExperts + std::string("5.up_weight")), up));
}

TEST(Upcycle, OfADenseModelWhoseConfigurationNamesSharedExpertsLoads) {
  const testing::TemporaryFolder folder;
  RunOptions dense = surgery_options(0);
  dense.model.moe.shared_experts = 2;
  write_model(folder / "dense", dense, 1);
  upcycle(into(folder, 4));
  EXPECT_GT(loss_of_checkpoint(folder / "moe"), 0.0);
}

TEST(Upcycle, RefusesNoiseThatIsNoNumber) {
  const testing::TemporaryFolder folder;
  write_model(folder / "dense", surgery_options(0), 1);
  UpcycleOptions options = into(folder, 4);
  options.noise = std::nan("");
  EXPECT_THAT(testing::error_text([&] { upcycle(options); }), HasSubstr("it lies from 0 to 1"));
  EXPECT_FALSE(fs::exists(folder / "moe"));
}

TEST(Upcycle, ScalesByTheShareThatTheGateGives) {
  EXPECT_EQ(upcycling_scale(8, 1, true), 8.0);
  EXPECT_EQ(upcycling_scale(8, 2, true), 1.0);
  EXPECT_EQ(upcycling_scale(8, 2, false), 4.0);
}

TEST(Upcycle, NoiseMultipliesEachExpertByNumbersOfItsOwn) {
  const testing::TemporaryFolder folder;
  write_model(folder / "dense", surgery_options(0), 1);
  UpcycleOptions options = into(folder, 2);
  options.noise = 0.1;
  options.top_k = 2;
  upcycle(options);
  const std::string first = kExperts + std::string("0.up_weight"), second = kExperts + std::string("1.up_weight");
  const Checkpoint made = Checkpoint::open(folder / "moe");
  const at::Tensor up = Checkpoint::open(folder / "dense").read("model", "encoder.layers.1.feed_forward.ffn.up.weight");
  const at::Tensor a = made.read("model", first) / up, b = made.read("model", second) / up;
  EXPECT_GE(a.min().item<double>(), 0.9 - 1e-6);
  EXPECT_LE(a.max().item<double>(), 1.1 + 1e-6);
  EXPECT_GT(a.std().item<double>(), 0.05) << "uniform numbers have 0.1 / sqrt(3) = 0.058";
  EXPECT_FALSE(at::allclose(a, b, 1e-3, 1e-3));
  options.output = folder / "again";
  upcycle(options);
  EXPECT_TRUE(at::equal(Checkpoint::open(folder / "again").read("model", first), made.read("model", first)));
}

TEST(Upcycle, MakesGatesAsANewModelHasThem) {
  const testing::TemporaryFolder folder;
  write_model(folder / "dense", surgery_options(0), 1);
  write_model(folder / "new", surgery_options(4), 5);
  UpcycleOptions options = into(folder, 4);
  options.seed = 5;
  upcycle(options);
  const std::string gate = "decoder.layers.1.feed_forward.moe.gate.weight";
  EXPECT_TRUE(at::equal(Checkpoint::open(folder / "moe").read("model", gate),
                        Checkpoint::open(folder / "new").read("model", gate)));
}

TEST(Upcycle, RefusesModelsThatHaveExpertsAndLayersThatAreNotThere) {
  const testing::TemporaryFolder folder;
  write_model(folder / "dense", surgery_options(2), 1);
  EXPECT_THAT(testing::error_text([&] { upcycle(into(folder, 4)); }), HasSubstr("has experts already"));
  write_model(folder / "dense", surgery_options(0), 1);
  UpcycleOptions options = into(folder, 4);
  options.every = 7;
  EXPECT_THAT(testing::error_text([&] { upcycle(options); }), HasSubstr("no layer is the 7th of its side"));
  EXPECT_FALSE(fs::exists(folder / "moe"));
}

}  // namespace
}  // namespace polymoe
