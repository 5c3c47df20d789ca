#include "polymoe/decode/sampling.h"
#include "polymoe/config/decode_options.h"

#include <array>
#include <cmath>
#include <limits>
#include <vector>

#include <gtest/gtest.h>

#include "polymoe/decode/beam_search.h"
#include "polymoe/tensor/torch_headers.h"
#include "support/table_model.h"

namespace polymoe {
namespace {

using testing::Ids;
using testing::ids_of;
using testing::kEnd;
using testing::TableModel;

constexpr float kNever = -std::numeric_limits<float>::infinity();

/// Probabilities 0.5, 0.3, 0.15, 0.05 of ids 1, 3, 0 and 4.
const std::vector<float> kLogs{std::log(0.15f), std::log(0.5f), kNever, std::log(0.3f), std::log(0.05f)};

/// How many of a thousand even places in [0, 1) draw each id.
std::array<int, 5> draws(const DecodeOptions& options) {
  std::array<int, 5> counts{};
  for (int i = 0; i < 1000; ++i) ++counts.at(static_cast<std::size_t>(draw_token(kLogs, options, (i + 0.5) / 1000)));
  return counts;
}

TEST(DrawToken, DrawsInProportionToTheProbabilities) {
  DecodeOptions options;
  options.temperature = 1.0;
  EXPECT_EQ(draws(options), (std::array<int, 5>{150, 500, 0, 300, 50}));
  options.temperature = 0.5;  // squares: 0.25, 0.09, 0.0225, 0.0025 of 0.365
  EXPECT_EQ(draws(options), (std::array<int, 5>{62, 685, 0, 246, 7}));
}

TEST(DrawToken, KeepsTheLikeliest) {
  DecodeOptions options;
  options.temperature = 1.0;
  options.top_k = 2;
  EXPECT_EQ(draws(options), (std::array<int, 5>{0, 625, 0, 375, 0}));
  options.top_k = 0;
  options.top_p = 0.81;  // 0.5 + 0.3 are too little
  EXPECT_EQ(draws(options), (std::array<int, 5>{158, 526, 0, 316, 0}));
  options.top_p = 0.5;
  EXPECT_EQ(draws(options), (std::array<int, 5>{0, 1000, 0, 0, 0}));
  options.top_k = 2;
  options.top_p = 0.63;  // of the two that are left, the first has 0.625
  EXPECT_EQ(draws(options), (std::array<int, 5>{0, 625, 0, 375, 0}));
}

TEST(DrawToken, DrawsNothingWhereNothingIsPossible) {
  DecodeOptions options;
  options.temperature = 1.0;
  EXPECT_EQ(draw_token(std::vector<float>(3, kNever), options, 0.5), -1);
}

/// Every id from 3 to 9 alike, and the end as likely as two of them.
TableModel even_model() {
  return {10, [](const Ids&, const Ids&) -> std::map<std::int32_t, float> {
            std::map<std::int32_t, float> next{{2, std::log(2.0f / 9)}};
            for (std::int32_t id = 3; id < 10; ++id) next[id] = std::log(1.0f / 9);
            return next;
          }};
}

std::vector<std::vector<Hypothesis>> samples(const std::vector<Ids>& sources, std::int64_t seed) {
  DecodeOptions options;
  options.temperature = 1.0;
  options.n_best = 4;
  options.beam_size = 1;
  options.seed = seed;
  TableModel model = even_model();
  std::vector<Demands> demands(sources.size());
  for (std::size_t i = 0; i < sources.size(); ++i) demands[i].number = static_cast<std::uint64_t>(sources[i][0]);
  return beam_search(model, sources, std::vector<std::int32_t>(sources.size(), 5),
                     {.end = 2, .forbidden = {0, 1}, .word_parts = {}, .blank = {}, .forced = {}}, options, {},
                     demands);
}

TEST(Sampling, DoesNotDependOnTheBatch) {
  const Ids a{6, 7, 2}, b{8, 2}, c{9, 3, 4, 2};
  const auto alone = samples({b}, 1), together = samples({a, b, c}, 1);
  EXPECT_EQ(ids_of(alone[0]), ids_of(together[1]));
  EXPECT_EQ(alone[0].size(), 4u);
}

TEST(Sampling, GivesOtherSamplesForOtherSeedsSentencesAndPlaces) {
  const Ids a{6, 7, 2}, b{7, 7, 2};  // alike but for the number
  const auto first = samples({a, b}, 1), second = samples({a}, 2);
  EXPECT_NE(ids_of(first[0]), ids_of(first[1]));
  EXPECT_NE(ids_of(first[0]), ids_of(second[0]));
  EXPECT_NE(first[0][0].ids, first[0][1].ids);
}

TEST(Sampling, ScoresAreTheModelsLogProbabilities) {
  const auto found = samples({{6, 7, 2}}, 3);
  for (const Hypothesis& sample : found[0]) {
    ASSERT_FALSE(sample.cut_off);
    const auto tokens = static_cast<double>(sample.ids.size());
    const double expected = (tokens * std::log(1.0 / 9) + std::log(2.0 / 9)) / (tokens + 1);
    EXPECT_NEAR(sample.score, expected, 1e-5);
  }
}

}  // namespace
}  // namespace polymoe
