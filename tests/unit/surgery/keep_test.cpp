#include "polymoe/surgery/keep.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "unit/surgery/models.h"

namespace polymoe {
namespace {

using ::testing::ElementsAre;
using testing::error_text;
using ::testing::HasSubstr;

const std::vector<MoeLayerSize> kLayers{{"encoder.layers.1", 4}, {"decoder.layers.1", 3}};
const ExpertScores kScores{{0.1, 0.4, 0.1, 0.4}, {0.2, 0.3, 0.5}};

TEST(Keep, TakesTheBestOfEachLayerInTheirOrder) {
  EXPECT_THAT(keep_best(kLayers, kScores, {3, 2}, 1), ElementsAre(ElementsAre(0, 1, 3), ElementsAre(1, 2)));
  EXPECT_THAT(error_text([] {
                keep_best(kLayers, kScores, {5, 2}, 1);
              }),
              HasSubstr("5 experts to keep, but encoder.layers.1 has 4"));
  EXPECT_THAT(error_text([] {
                keep_best(kLayers, kScores, {3, 1}, 2);
              }),
              HasSubstr("1 of the experts of decoder.layers.1 to keep, but a token goes to 2"));
}

TEST(Keep, SharesABudgetOutByScoreAndLeavesEachLayerSome) {
  EXPECT_THAT(share_budget(kLayers, kScores, 4, 1, BudgetSpread::kHighest), ElementsAre(2, 2)) << "0.5, 0.4, 0.4, 0.3";
  EXPECT_THAT(share_budget(kLayers, kScores, 6, 1, BudgetSpread::kHighest), ElementsAre(3, 3));
  EXPECT_THAT(share_budget(kLayers, {{0.9, 0.8, 0.7, 0.6}, {0.1, 0.1, 0.1}}, 5, 1, BudgetSpread::kHighest),
              ElementsAre(4, 1));
  EXPECT_THAT(share_budget(kLayers, {{0.9, 0.8, 0.7, 0.6}, {0.1, 0.1, 0.1}}, 5, 2, BudgetSpread::kHighest),
              ElementsAre(3, 2));
  EXPECT_THAT(error_text([] { share_budget(kLayers, kScores, 1, 1, BudgetSpread::kHighest); }),
              HasSubstr("2 layers need 1 each"));
  EXPECT_THAT(error_text([] { share_budget(kLayers, kScores, 8, 1, BudgetSpread::kHighest); }),
              HasSubstr("the model has 7"));
}

// The first layer's experts do 0.4, 0.7, 0.9 and all of its work, the second's 0.95, 0.98 and all.
TEST(Keep, SharesABudgetOutEvenlyByWhatEachLayerKeepsOfItsScores) {
  const ExpertScores scores{{0.2, 0.8, 0.6, 0.4}, {0.95, 0.03, 0.02}};
  const auto counts = [&](std::int64_t total, std::int64_t least) {
    return share_budget(kLayers, scores, total, least, BudgetSpread::kEven);
  };
  EXPECT_THAT(counts(3, 1), ElementsAre(2, 1));
  EXPECT_THAT(counts(4, 1), ElementsAre(3, 1));
  EXPECT_THAT(counts(5, 1), ElementsAre(3, 2)) << "0.98 is less than all";
  EXPECT_THAT(counts(4, 2), ElementsAre(2, 2));
  EXPECT_THAT(counts(7, 1), ElementsAre(4, 3));
}

TEST(Keep, ChoosesAtRandomByTheSeedAlone) {
  const std::vector<MoeLayerSize> layers{{"encoder.layers.1", 64}};
  const auto choice = [&](std::uint64_t seed) { return keep_best(layers, random_scores(layers, seed), {32}, 1); };
  EXPECT_EQ(choice(1), choice(1));
  EXPECT_NE(choice(1), choice(2));
  std::vector<int> times(64);
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    const KeptExperts kept = choice(seed);
    for (const std::int64_t e : kept[0]) ++times[static_cast<std::size_t>(e)];
  }
  // Binomial(200, 1/2): 100 with a deviation of 7; six of them either way are 42.
  for (const int count : times) EXPECT_NEAR(count, 100, 42);
}

TEST(Keep, ReadsLists) {
  EXPECT_THAT(parse_lists(kLayers, {"decoder.layers.1:2,0"}, 1),
              ElementsAre(ElementsAre(0, 1, 2, 3), ElementsAre(0, 2)));
  const auto refusal = [](const std::vector<std::string>& lists) {
    return error_text([&] { parse_lists(kLayers, lists, 2); });
  };
  EXPECT_THAT(refusal({"decoder.layers.2:0"}), HasSubstr("does not begin with a MoE layer"));
  EXPECT_THAT(refusal({"decoder.layers.1"}), HasSubstr("does not begin with a MoE layer"));
  EXPECT_THAT(refusal({""}), HasSubstr("does not begin with a MoE layer"));
  EXPECT_THAT(refusal({"decoder.layers.1:"}), HasSubstr("'' is no expert"));
  EXPECT_THAT(refusal({"decoder.layers.1:0,3"}), HasSubstr("'3' is no expert of decoder.layers.1, which has 0 to 2"));
  EXPECT_THAT(refusal({"decoder.layers.1:0,-1"}), HasSubstr("'-1' is no expert"));
  EXPECT_THAT(refusal({"decoder.layers.1:0,1,"}), HasSubstr("'' is no expert"));
  EXPECT_THAT(refusal({"decoder.layers.1:0,0"}), HasSubstr("has 0 twice"));
  EXPECT_THAT(refusal({"decoder.layers.1:0"}), HasSubstr("a token goes to 2"));
  EXPECT_THAT(refusal({"decoder.layers.1:0,1", "decoder.layers.1:0,1"}), HasSubstr("named twice"));
}

}  // namespace
}  // namespace polymoe
