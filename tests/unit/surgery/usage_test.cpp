#include "polymoe/surgery/usage.h"

#include <cmath>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/temporary_folder.h"
#include "unit/surgery/models.h"

namespace polymoe {
namespace {

using ::testing::ElementsAre;
using testing::error_text;
using ::testing::HasSubstr;

constexpr const char* kUsage =
    R"({"layers": {"encoder.layers.1": {"directions": {"en-de": [0.5, 0.5, 0], "de-en": [0, 0.25, 0.75],
                                                       "en-fr": [1, 0, 0]}}}})";

TEST(GateStatisticsFile, GivesTheMeanOverTheDirectionsThatAreWanted) {
  const testing::TemporaryFolder folder;
  const GateStatistics usage = GateStatistics::read(folder.write("usage.json", kUsage));
  EXPECT_THAT(usage.score("encoder.layers.1", 3, {"en-de"}), ElementsAre(0.5, 0.5, 0.0));
  EXPECT_THAT(usage.score("encoder.layers.1", 3, {}), ElementsAre(0.5, 0.25, 0.25));
  EXPECT_THAT(usage.score("encoder.layers.1", 3, {"en-*"}), ElementsAre(0.75, 0.25, 0.0));
  EXPECT_THAT(usage.score("encoder.layers.1", 3, {"de"}), ElementsAre(0.25, 0.375, 0.375)) << "from and into German";
  EXPECT_THAT(usage.score("encoder.layers.1", 3, {"en-de", "en-fr"}), ElementsAre(0.75, 0.25, 0.0));
}

TEST(GateStatisticsFile, CountsTasksWithTheirLanguagesOrByTheirNames) {
  const testing::TemporaryFolder folder;
  const GateStatistics usage = GateStatistics::read(folder.write(
      "usage.json", R"({"layers": {"encoder.layers.1": {"directions": {"en-de": [1, 0], "command:en-cmd": [0, 1],
                                                                       "denoising:de-de": [0.5, 0.5]}}}})"));
  EXPECT_THAT(usage.score("encoder.layers.1", 2, {"en"}), ElementsAre(0.5, 0.5)) << "from English, in any task";
  EXPECT_THAT(usage.score("encoder.layers.1", 2, {"de"}), ElementsAre(0.75, 0.25));
  EXPECT_THAT(usage.score("encoder.layers.1", 2, {"command:*"}), ElementsAre(0.0, 1.0));
}

TEST(GateStatisticsFile, MayBeTheMetricsOfATrainingWhoseLastValidationCounts) {
  const testing::TemporaryFolder folder;
  const auto record = [](const char* en) {
    return std::string(
               R"({"type": "experts", "layers": [{"name": "encoder.layers.1.feed_forward.moe", "languages": )") +
           R"({"en": {"tokens": 9, "load": )" + en + R"(}, "de": {"tokens": 4, "load": [0, 1]}, "fr": {"tokens": 0, )" +
           R"("load": [0, 0]}}}, {"name": "decoder.layers.1.feed_forward.moe", "languages": {"de": {"tokens": 1, )" +
           R"("load": [1, 0]}}}]})" + "\n";
  };
  folder.write("metrics.jsonl", record("[1, 0]") + record("[0.5, 0.5]") + "{\"type\": \"train\", \"upd");
  const GateStatistics usage = GateStatistics::read(folder.path());
  // Of a direction the encoder reads the source, the decoder writes the target.
  EXPECT_THAT(usage.score("encoder.layers.1", 2, {"en-de"}), ElementsAre(0.5, 0.5));
  EXPECT_THAT(usage.score("decoder.layers.1", 2, {"en-de"}), ElementsAre(1.0, 0.0));
  EXPECT_THAT(usage.score("encoder.layers.1", 2, {}), ElementsAre(0.25, 0.75));
}

// Koishekenov et al. 2023: the share of first choices times e to the mean probability there.
TEST(GateStatisticsFile, ScoresByFirstChoicesAndTheirProbability) {
  const testing::TemporaryFolder folder;
  const GateStatistics usage = GateStatistics::read(folder.write("usage.json", R"({"layers": {"encoder.layers.1": {
      "directions": {"en-de": [0.5, 0.25, 0.25], "en-fr": [0.25, 0.25, 0.5], "de-en": [0, 0, 1]},
      "languages": {"en": [0.4, 0.3, 0.3], "de": [0, 0, 1]},
      "counts": {"directions": {"en-de": {"first": [6, 2, 0], "confidence": [0.5, 0.25, 0]},
                                "en-fr": {"first": [1, 1, 2], "confidence": [1, 0.5, 0.25]}},
                 "languages": {"en": {"first": [7, 3, 2], "confidence": [0.6, 0.3, 0.25]}}}}}})"));
  const auto scores = [&](const std::vector<std::string>& wanted, ExpertMetric metric, UsageHeading heading) {
    return usage.score("encoder.layers.1", 3, wanted, metric, heading);
  };
  const auto by_direction = UsageHeading::kDirection, by_language = UsageHeading::kLanguage;
  EXPECT_THAT(scores({"en-de"}, ExpertMetric::kActivity, by_direction), ElementsAre(0.75, 0.25, 0.0));
  EXPECT_THAT(scores({"en-*"}, ExpertMetric::kActivity, by_direction), ElementsAre(0.5, 0.25, 0.25));
  const std::vector<double> one = scores({"en-de"}, ExpertMetric::kImportance, by_direction);
  EXPECT_NEAR(one[0], 0.75 * std::exp(0.5), 1e-12);
  EXPECT_NEAR(one[1], 0.25 * std::exp(0.25), 1e-12);
  EXPECT_EQ(one[2], 0.0);
  const std::vector<double> both = scores({"en-de", "en-fr"}, ExpertMetric::kImportance, by_direction);
  EXPECT_NEAR(both[0], (0.75 * std::exp(0.5) + 0.25 * std::exp(1.0)) / 2, 1e-12);
  EXPECT_NEAR(both[2], 0.5 * std::exp(0.25) / 2, 1e-12);
  // By language the encoder's side of a direction is its source.
  EXPECT_THAT(scores({"en-xx"}, ExpertMetric::kUse, by_language), ElementsAre(0.4, 0.3, 0.3));
  EXPECT_NEAR(scores({"en-de"}, ExpertMetric::kImportance, by_language)[1], 0.25 * std::exp(0.3), 1e-12);
  EXPECT_THAT(error_text([&] { scores({"de-en"}, ExpertMetric::kActivity, by_direction); }),
              HasSubstr("no first choices for de-en, which activity needs; measure it with `polymoe usage`"));
}

TEST(GateStatisticsFile, IsRefusedWhereItSaysNothingOfTheModel) {
  const testing::TemporaryFolder folder;
  const GateStatistics usage = GateStatistics::read(folder.write("usage.json", kUsage));
  EXPECT_THAT(error_text([&] { usage.score("decoder.layers.1", 3, {}); }),
              HasSubstr("tells nothing of decoder.layers.1"));
  EXPECT_THAT(error_text([&] { usage.score("encoder.layers.1", 4, {}); }), HasSubstr("3 shares for encoder.layers.1"));
  EXPECT_THAT(error_text([&] { usage.score("encoder.layers.1", 3, {"xx"}); }),
              HasSubstr("nothing for xx; it has de-en,en-de,en-fr"));
}

TEST(GateStatisticsFile, ThatIsMalformedIsAnErrorWithItsPath) {
  const testing::TemporaryFolder folder;
  const char* cases[] = {"",
                         "{",
                         "[]",
                         R"({"layers": 3})",
                         R"({"layers": {"encoder.layers.1": {}}})",
                         R"({"layers": {"encoder.layers.1": {"directions": {"en-de": 3}}}})",
                         R"({"layers": {"encoder.layers.1": {"directions": {"en-de": ["x"]}}}})",
                         R"({"layers": {"encoder.layers.1": {"directions": {"en-de": [0, 0]}}}})",
                         R"({"layers": {"encoder.layers.1": {"directions": {"en-de": [2, -1]}}}})",
                         R"({"layers": {"encoder.layers.1": {"directions": {"en-de": [1e308, 1e308]}}}})",
                         R"({"layers": {"encoder.layers.1": {"directions": {"en-de": [1]}, "counts": 3}}})",
                         R"({"layers": {"encoder.layers.1": {"directions": {"en-de": [1]}, "counts": {"directions": {
                             "en-de": {"first": [1], "confidence": [1.5]}}}}}})",
                         R"({"layers": {"encoder.layers.1": {"directions": {"en-de": [1]}, "counts": {"directions": {
                             "en-de": {"first": [1], "confidence": [0.5, 0.5]}}}}}})"};
  for (const char* text : cases) {
    const std::string path = folder.write("usage.json", text);
    EXPECT_THAT(error_text([&] { GateStatistics::read(path); }), HasSubstr(path + ": ")) << text;
  }
  for (const char* text : {"", "{\"type\": \"train\"}\nnonsense\n", "{\"type\": \"experts\"}\n"}) {
    const std::string path = folder.write("metrics.jsonl", text);
    EXPECT_THAT(error_text([&] { GateStatistics::read(path); }), HasSubstr(path + ": ")) << text;
  }
}

}  // namespace
}  // namespace polymoe
