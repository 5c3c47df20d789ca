#include "polymoe/data/trained.h"
#include "polymoe/config/data_options.h"

#include <gtest/gtest.h>

#include "unit/data/test_data.h"

namespace polymoe {
namespace {

bool may_be_trained(const DataOptions& options, const std::string& task, const Direction& direction) {
  return !trained_directions(options, task, {direction}).empty();
}

TEST(TrainedDirections, FollowsTheDirectionsOfTheRun) {
  DataOptions options;
  EXPECT_TRUE(may_be_trained(options, "translation", {"en", "de"})) << "nothing is known";
  options.directions = {"en-de", "fr-*", "no-en", "en-spa_Latn"};
  EXPECT_TRUE(may_be_trained(options, "translation", {"en", "es"})) << "under NLLB's name";
  EXPECT_TRUE(may_be_trained(options, "translation", {"nb", "en"})) << "under another name";
  EXPECT_TRUE(may_be_trained(options, "translation", {"en", "de"}));
  EXPECT_TRUE(may_be_trained(options, "translation", {"fr", "en"}));
  EXPECT_FALSE(may_be_trained(options, "translation", {"de", "en"}));
  EXPECT_FALSE(may_be_trained(options, "denoising", {"en", "en"})) << "it has no weight";
  options.denoising_weight = 1;
  EXPECT_TRUE(may_be_trained(options, "denoising", {"en", "en"}));
  EXPECT_FALSE(may_be_trained(options, "denoising", {"en", "de"}));
  options.translation_weight = 0;
  EXPECT_FALSE(may_be_trained(options, "translation", {"en", "de"}));
}

TEST(TrainedDirections, FollowsTheDatasetWhereItIsStillThere) {
  const testing::TemporaryFolder folder;
  DataOptions options;
  options.path = testing::prepare_test_data(
      folder, {testing::write_corpus(folder, "news", "train", {"de", "en"}, testing::invented_rows(3)),
               testing::write_corpus(folder, "talks", "valid", {"en", "fr"}, {{"ba", "ko"}})});
  EXPECT_TRUE(may_be_trained(options, "translation", {"en", "de"}));
  EXPECT_FALSE(may_be_trained(options, "translation", {"en", "fr"})) << "only held-out text";
  EXPECT_FALSE(may_be_trained(options, "translation", {"en", "en"}));
}

}  // namespace
}  // namespace polymoe
