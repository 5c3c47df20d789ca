#include "polymoe/evaluate/expert_usage.h"

#include <cmath>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace polymoe {
namespace {

using ::testing::DoubleNear;
using ::testing::ElementsAre;

UsageCounts kept_only(std::vector<std::int64_t> kept) { return {0, kept, kept}; }

TEST(ExpertUsage, SharesAreOfTheGatesChoicesWhateverTheCapacityKept) {
  UsageCounts counts{8, {6, 2}, {2, 2}};
  EXPECT_THAT(counts.shares(), ElementsAre(0.75, 0.25));
  counts += {8, {0, 8}, {0, 2}};
  EXPECT_EQ(counts.tokens, 16);
  EXPECT_THAT(counts.kept, ElementsAre(2, 4));
  EXPECT_THAT(counts.shares(), ElementsAre(0.375, 0.625));
  EXPECT_THAT((UsageCounts{0, {0, 0}, {0, 0}}.shares()), ElementsAre(0.0, 0.0)) << "no choices, nothing divided by";
}

TEST(ExpertUsage, ConfidenceIsTheMeanProbabilityOfFirstChoices) {
  UsageCounts counts{4, {4, 4}, {4, 4}, {1, 3}, {0.5, 2.25}};
  counts += {1, {1, 1}, {1, 1}, {1, 0}, {0.25, 0.0}};
  EXPECT_THAT(counts.mean_confidence(), ElementsAre(0.375, 0.75));
  EXPECT_THAT((UsageCounts{1, {1, 0}, {1, 0}, {1, 0}, {0.5, 0}}.mean_confidence()), ElementsAre(0.5, 0.0));
}

TEST(ExpertUsage, CosinesCompareRowsOverAllLayersOfASide) {
  const SharesByLayer shares{{"encoder.layers.1", {{"de", {1.0, 0.0}}, {"en", {0.0, 1.0}}, {"fr", {1.0, 0.0}}}},
                             {"encoder.layers.3", {{"de", {1.0, 0.0}}, {"en", {1.0, 0.0}}}},
                             {"decoder.layers.1", {{"fr", {0.6, 0.8}}, {"de", {0.8, 0.6}}}}};
  const auto sides = similarity_by_side(shares);
  ASSERT_EQ(sides.size(), 2u);
  // fr has no tokens in one of the encoder's layers.
  EXPECT_THAT(sides.at("encoder").names, ElementsAre("de", "en"));
  // (1 0 1 0) and (0 1 1 0): 1 / (sqrt 2 sqrt 2).
  EXPECT_NEAR(sides.at("encoder").cosine[0][1], 0.5, 1e-12);
  EXPECT_NEAR(sides.at("encoder").cosine[1][1], 1.0, 1e-12);
  EXPECT_NEAR(sides.at("decoder").cosine[1][0], 0.96, 1e-12);
}

TEST(ExpertUsage, RowsOfAnotherLengthAndEmptyOnesDoNoHarm) {
  const auto sides = similarity_by_side({{"encoder.1", {{"a", {1.0, 0.0}}, {"b", {1.0}}, {"c", {0.0, 0.0}}}}});
  EXPECT_THAT(sides.at("encoder").names, ElementsAre("a", "c"));
  EXPECT_EQ(sides.at("encoder").cosine[0][1], 0.0);
}

TEST(ExpertUsage, TheJsonHoldsSharesCountsAndSimilarities) {
  UsageByLayer usage;
  LayerUsage& layer = usage["encoder.layers.1"];
  layer.directions = {{"de-en", kept_only({3, 1})}, {"en-de", kept_only({1, 3})}};
  layer.tasks = {{"translation", kept_only({4, 4})}};
  layer.languages = {{"de", kept_only({3, 1})}, {"en", kept_only({1, 3})}};
  layer.all = kept_only({4, 4});
  const nlohmann::json json = usage_json(usage);
  const nlohmann::json& found = json.at("layers").at("encoder.layers.1");
  EXPECT_EQ(found.at("experts"), 2);
  EXPECT_EQ(found.at("directions").at("de-en"), (std::vector<double>{0.75, 0.25}));
  EXPECT_EQ(found.at("tasks").at("translation"), (std::vector<double>{0.5, 0.5}));
  EXPECT_EQ(found.at("all"), (std::vector<double>{0.5, 0.5}));
  EXPECT_EQ(found.at("counts").at("directions").at("en-de").at("kept"), (std::vector<std::int64_t>{1, 3}));
  const nlohmann::json& similarity = json.at("similarity").at("encoder").at("directions");
  EXPECT_EQ(similarity.at("names"), (std::vector<std::string>{"de-en", "en-de"}));
  EXPECT_THAT(similarity.at("cosine")[0][1].get<double>(), DoubleNear(0.6, 1e-12));  // (3 1)(1 3) / 10
}

}  // namespace
}  // namespace polymoe
