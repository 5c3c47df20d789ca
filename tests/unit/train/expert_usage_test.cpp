#include "polymoe/train/expert_usage.h"

#include <numeric>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "polymoe/base/error.h"
#include "polymoe/nn/parameter_module.h"
#include "polymoe/tensor/torch_headers.h"
#include "support/device.h"
#include "unit/data/test_data.h"

namespace polymoe {
namespace {

using ::testing::ElementsAre;
using ::testing::Key;

class ExpertUsageTest : public ::testing::Test {
 protected:
  ExpertUsageTest()
      : data_(testing::prepare_test_data(folder_, {testing::write_corpus(folder_, "news", "valid", {"de", "en", "fr"},
                                                                         testing::invented_rows(30))})) {
    options_.vocabulary = data_.vocabulary().size();
    options_.hidden = 16;
    options_.ffn = 32;
    options_.heads = 2;
    options_.encoder_layers = 2;
    options_.decoder_layers = 2;
    options_.moe.experts = 4;
  }

  UsageByLayer measure(const DataOptions& data_options, const UsageData& usage_data) {
    Model model = make_model(options_);
    initialize(*model, 3);
    on_device(model);
    UsageByLayer usage;
    for (const ValidationSet& set : usage_sets(data_, data_options, usage_data)) {
      record_usage(model, set, data_.vocabulary(), usage);
    }
    return usage;
  }

  testing::TemporaryFolder folder_;
  Dataset data_;
  ModelOptions options_;
};

TEST_F(ExpertUsageTest, CountsEveryTokenUnderItsDirectionTaskAndLanguage) {
  const UsageByLayer usage = measure({}, {});
  EXPECT_THAT(usage, ElementsAre(Key("decoder.layers.1"), Key("encoder.layers.1")));
  const LayerUsage& encoder = usage.at("encoder.layers.1");
  EXPECT_THAT(encoder.directions,
              ElementsAre(Key("de-en"), Key("de-fr"), Key("en-de"), Key("en-fr"), Key("fr-de"), Key("fr-en")));
  EXPECT_THAT(encoder.tasks, ElementsAre(Key("translation")));
  EXPECT_THAT(encoder.languages, ElementsAre(Key("de"), Key("en"), Key("fr")));
  std::int64_t tokens = 0;
  for (const auto& [direction, counts] : encoder.directions) {
    tokens += counts.tokens;
    const std::vector<double> shares = counts.shares();
    EXPECT_NEAR(std::accumulate(shares.begin(), shares.end(), 0.0), 1.0, 1e-12) << direction;
  }
  EXPECT_EQ(tokens, encoder.all.tokens);
  EXPECT_EQ(std::accumulate(encoder.all.assigned.begin(), encoder.all.assigned.end(), std::int64_t{0}), tokens);
  // A language of the encoder is that of the source.
  EXPECT_EQ(encoder.languages.at("de").tokens,
            encoder.directions.at("de-en").tokens + encoder.directions.at("de-fr").tokens);
  EXPECT_EQ(usage.at("decoder.layers.1").languages.at("de").tokens,
            usage.at("decoder.layers.1").directions.at("en-de").tokens +
                usage.at("decoder.layers.1").directions.at("fr-de").tokens);
}

TEST_F(ExpertUsageTest, EveryTokenHasOneFirstChoiceThatIsMoreProbableThanOthers) {
  options_.moe.top_k = 2;
  const UsageCounts all = measure({}, {}).at("encoder.layers.1").all;
  EXPECT_EQ(std::accumulate(all.first.begin(), all.first.end(), std::int64_t{0}), all.tokens);
  for (std::size_t e = 0; e < all.first.size(); ++e) EXPECT_LE(all.first[e], all.assigned[e]);
  for (const double mean : all.mean_confidence()) {
    EXPECT_TRUE(mean == 0 || mean > 0.25) << mean << " of four experts";
    EXPECT_LE(mean, 1.0);
  }
}

TEST_F(ExpertUsageTest, TheCapacityOfValidationHolds) {
  options_.moe.eval_capacity_factor = 0.5;
  options_.moe.min_capacity = 1;
  const UsageCounts all = measure({}, {}).at("encoder.layers.1").all;
  const auto kept = std::accumulate(all.kept.begin(), all.kept.end(), std::int64_t{0});
  EXPECT_LE(kept, all.tokens / 2 + 40) << "half of the tokens, and what rounding up gives each batch and expert";
  EXPECT_GT(kept, 0);
}

TEST_F(ExpertUsageTest, MeasuresDenoisingWhereTheModelWasTrainedForIt) {
  DataOptions options;
  options.denoising_weight = 0.5;
  const UsageByLayer usage = measure(options, {.directions = {"en-*"}, .max_examples = 5});
  const LayerUsage& layer = usage.at("decoder.layers.1");
  EXPECT_THAT(layer.tasks, ElementsAre(Key("denoising"), Key("translation")));
  EXPECT_THAT(layer.directions, ElementsAre(Key("denoising:de-de"), Key("denoising:en-en"), Key("denoising:fr-fr"),
                                            Key("en-de"), Key("en-fr")));
}

TEST_F(ExpertUsageTest, LeavesOutWhatTheModelWasNotTrainedFor) {
  DataOptions options;
  options.translation_weight = 0;
  options.denoising_weight = 1;
  EXPECT_THAT(measure(options, {.max_examples = 5}).at("decoder.layers.1").tasks, ElementsAre(Key("denoising")));
}

TEST_F(ExpertUsageTest, SaysWhatTheDataLacks) {
  EXPECT_THROW(usage_sets(data_, {}, {.split = "test"}), Error);
  EXPECT_THROW(usage_sets(data_, {}, {.directions = {"en-it"}}), Error);
  DataOptions options;
  options.max_length = 4;  // two marks and a tag leave room for one token
  EXPECT_THROW(usage_sets(data_, options, {}), Error);
}

}  // namespace
}  // namespace polymoe
