#include "polymoe/surgery/usage.h"

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

TEST(ExpertUsageFile, GivesTheMeanOverTheDirectionsThatAreWanted) {
  const testing::TemporaryFolder folder;
  const ExpertUsage usage = ExpertUsage::read(folder.write("usage.json", kUsage));
  EXPECT_THAT(usage.mean("encoder.layers.1", 3, {"en-de"}), ElementsAre(0.5, 0.5, 0.0));
  EXPECT_THAT(usage.mean("encoder.layers.1", 3, {}), ElementsAre(0.5, 0.25, 0.25));
  EXPECT_THAT(usage.mean("encoder.layers.1", 3, {"en-*"}), ElementsAre(0.75, 0.25, 0.0));
  EXPECT_THAT(usage.mean("encoder.layers.1", 3, {"de"}), ElementsAre(0.25, 0.375, 0.375)) << "from and into German";
  EXPECT_THAT(usage.mean("encoder.layers.1", 3, {"en-de", "en-fr"}), ElementsAre(0.75, 0.25, 0.0));
}

TEST(ExpertUsageFile, CountsTasksWithTheirLanguagesOrByTheirNames) {
  const testing::TemporaryFolder folder;
  const ExpertUsage usage = ExpertUsage::read(folder.write(
      "usage.json", R"({"layers": {"encoder.layers.1": {"directions": {"en-de": [1, 0], "command:en-cmd": [0, 1],
                                                                       "denoising:de-de": [0.5, 0.5]}}}})"));
  EXPECT_THAT(usage.mean("encoder.layers.1", 2, {"en"}), ElementsAre(0.5, 0.5)) << "from English, in any task";
  EXPECT_THAT(usage.mean("encoder.layers.1", 2, {"de"}), ElementsAre(0.75, 0.25));
  EXPECT_THAT(usage.mean("encoder.layers.1", 2, {"command:*"}), ElementsAre(0.0, 1.0));
}

TEST(ExpertUsageFile, MayBeTheMetricsOfATrainingWhoseLastValidationCounts) {
  const testing::TemporaryFolder folder;
  const auto record = [](const char* en) {
    return std::string(
               R"({"type": "experts", "layers": [{"name": "encoder.layers.1.feed_forward.moe", "languages": )") +
           R"({"en": {"tokens": 9, "load": )" + en + R"(}, "de": {"tokens": 4, "load": [0, 1]}, "fr": {"tokens": 0, )" +
           R"("load": [0, 0]}}}, {"name": "decoder.layers.1.feed_forward.moe", "languages": {"de": {"tokens": 1, )" +
           R"("load": [1, 0]}}}]})" + "\n";
  };
  folder.write("metrics.jsonl", record("[1, 0]") + record("[0.5, 0.5]") + "{\"type\": \"train\", \"upd");
  const ExpertUsage usage = ExpertUsage::read(folder.path());
  // Of a direction the encoder reads the source, the decoder writes the target.
  EXPECT_THAT(usage.mean("encoder.layers.1", 2, {"en-de"}), ElementsAre(0.5, 0.5));
  EXPECT_THAT(usage.mean("decoder.layers.1", 2, {"en-de"}), ElementsAre(1.0, 0.0));
  EXPECT_THAT(usage.mean("encoder.layers.1", 2, {}), ElementsAre(0.25, 0.75));
}

TEST(ExpertUsageFile, IsRefusedWhereItSaysNothingOfTheModel) {
  const testing::TemporaryFolder folder;
  const ExpertUsage usage = ExpertUsage::read(folder.write("usage.json", kUsage));
  EXPECT_THAT(error_text([&] { usage.mean("decoder.layers.1", 3, {}); }),
              HasSubstr("tells nothing of decoder.layers.1"));
  EXPECT_THAT(error_text([&] { usage.mean("encoder.layers.1", 4, {}); }), HasSubstr("3 shares for encoder.layers.1"));
  EXPECT_THAT(error_text([&] { usage.mean("encoder.layers.1", 3, {"xx"}); }),
              HasSubstr("nothing for xx; it has de-en,en-de,en-fr"));
}

TEST(ExpertUsageFile, ThatIsMalformedIsAnErrorWithItsPath) {
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
                         R"({"layers": {"encoder.layers.1": {"directions": {"en-de": [1e308, 1e308]}}}})"};
  for (const char* text : cases) {
    const std::string path = folder.write("usage.json", text);
    EXPECT_THAT(error_text([&] { ExpertUsage::read(path); }), HasSubstr(path + ": ")) << text;
  }
  for (const char* text : {"", "{\"type\": \"train\"}\nnonsense\n", "{\"type\": \"experts\"}\n"}) {
    const std::string path = folder.write("metrics.jsonl", text);
    EXPECT_THAT(error_text([&] { ExpertUsage::read(path); }), HasSubstr(path + ": ")) << text;
  }
}

}  // namespace
}  // namespace polymoe
