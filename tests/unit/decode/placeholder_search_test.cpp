#include <algorithm>

#include <gtest/gtest.h>

#include "polymoe/config/decode_options.h"
#include "polymoe/decode/beam_search.h"
#include "polymoe/tensor/torch_headers.h"
#include "support/table_model.h"

namespace polymoe {
namespace {

using testing::Ids;
using testing::kEnd;
using testing::TableModel;

std::vector<Hypothesis> search(TableModel& model, const Demands& demands, std::int64_t beam_size = 4) {
  DecodeOptions options;
  options.beam_size = beams_with_phrases(demands.phrases, beam_size);
  options.n_best = beam_size;
  options.length_penalty = 0.0;
  options.no_repeat_ngram = 0;
  options.max_length_offset = 8;
  return beam_search(model, {{5, 7, 2}}, {5},
                     {.end = kEnd, .forbidden = {0, 1}, .word_parts = {4, 6}, .blank = {}, .forced = {}}, options, {},
                     {demands})[0];
}

/// Writes 7 8 and ends, and likes 9 everywhere.
TableModel eager_model() {
  return {12, [](const Ids&, const Ids& read) -> std::map<std::int32_t, float> {
            if (read.back() == 7) return {{8, -0.2f}, {9, -0.1f}, {4, -0.1f}};
            if (read.back() == 8) return {{kEnd, -0.5f}, {9, -0.1f}, {4, -1.0f}};
            if (read.back() == 10) return {{4, -0.1f}, {7, -2.0f}, {8, -3.0f}, {kEnd, -1.0f}};
            return {{7, -0.5f}, {9, -0.1f}, {10, -3.0f}};
          }};
}

TEST(PlaceholderSearch, WritesEachOnceAndWhole) {
  TableModel model = eager_model();
  // 9 10 is a placeholder whose sign is 9, which stands nowhere else; 4 and 6 go on with words.
  const Demands demands{.phrases = {{.forms = {{9, 10}}, .bound = {1}, .whole = true}}, .prefix = {}, .banned = {9}};
  for (const std::int64_t beam_size : {1, 4}) {
    for (const Hypothesis& found : search(model, demands, beam_size)) {
      EXPECT_EQ(std::count(found.ids.begin(), found.ids.end(), 9), 1);
      const auto place = std::find(found.ids.begin(), found.ids.end(), 9);
      ASSERT_LT(place + 1, found.ids.end());
      EXPECT_EQ(place[1], 10);
      if (place + 2 < found.ids.end()) {
        EXPECT_NE(place[2], 4);
      }
      ASSERT_EQ(found.placements.size(), 1u);
      EXPECT_EQ(found.placements[0].begin, static_cast<std::size_t>(place - found.ids.begin()));
      EXPECT_EQ(found.unmet, 0u);
    }
  }
}

TEST(PlaceholderSearch, KeepsTheOrderOfDirectivesWithoutNumbers) {
  TableModel model(12, [](const Ids&, const Ids& read) -> std::map<std::int32_t, float> {
    return {{7, -1.0f}, {11, -0.1f}, {10, -4.0f}, {kEnd, read.size() > 3 ? -0.5f : -9.0f}};  // likes 11 first
  });
  const Phrase first{.forms = {{10}}, .bound = {1}}, second{.forms = {{11}}, .bound = {1}, .after = 0};
  for (const Hypothesis& found : search(model, {.phrases = {first, second}, .prefix = {}, .banned = {10, 11}})) {
    EXPECT_LT(std::find(found.ids.begin(), found.ids.end(), 10), std::find(found.ids.begin(), found.ids.end(), 11));
    EXPECT_EQ(std::count(found.ids.begin(), found.ids.end(), 11), 1);
  }
}

TEST(PlaceholderSearch, ClosesTagsThatAreOpenTheInnermostFirst) {
  // 8 opens and 9 closes a pair, 10 opens and 11 closes another; the model likes the closing ones.
  TableModel model(12, [](const Ids&, const Ids&) -> std::map<std::int32_t, float> {
    return {{9, -0.1f}, {11, -0.2f}, {7, -1.0f}, {8, -3.0f}, {10, -2.5f}, {kEnd, -0.4f}};
  });
  Demands demands{.phrases = {{.forms = {{8}}, .bound = {1}},
                              {.forms = {{10}}, .bound = {1}},
                              {.forms = {{11}}, .bound = {1}, .opening = 1},
                              {.forms = {{9}}, .bound = {1}, .opening = 0}},
                  .prefix = {},
                  .banned = {8, 9, 10, 11}};
  for (const Hypothesis& found : search(model, demands)) {
    std::vector<std::int32_t> open;
    for (const std::int32_t id : found.ids) {
      if (id == 8 || id == 10) open.push_back(id);
      if (id == 9 || id == 11) {
        ASSERT_FALSE(open.empty());
        EXPECT_EQ(open.back(), id == 9 ? 8 : 10);
        open.pop_back();
      }
    }
    EXPECT_TRUE(open.empty());
    EXPECT_EQ(found.placements.size(), 4u);
  }
}

TEST(Prefix, IsWrittenFirstAndCounts) {
  TableModel model(12, [](const Ids&, const Ids& read) -> std::map<std::int32_t, float> {
    if (read.back() == 1) return {{10, -0.25f}, {7, -1.0f}};
    return {{7, -0.1f}, {1, -3.0f}, {11, -4.0f}, {kEnd, read.size() > 3 ? -0.5f : -9.0f}};
  });
  const Demands demands{.phrases = {}, .prefix = {11, 1}, .banned = {}};  // 1 is forbidden to others
  for (const std::int64_t beam_size : {1, 3}) {
    const auto found = search(model, demands, beam_size);
    ASSERT_EQ(found.size(), static_cast<std::size_t>(beam_size));
    for (const Hypothesis& hypothesis : found) {
      ASSERT_GE(hypothesis.ids.size(), 2u);
      EXPECT_EQ((Ids{hypothesis.ids[0], hypothesis.ids[1]}), (Ids{11, 1}));
    }
  }
  EXPECT_FLOAT_EQ(static_cast<float>(search(model, demands)[0].score), -4.0f - 3.0f - 0.25f - 0.5f);
}

TEST(TokenScores, SumToTheScore) {
  TableModel model = eager_model();
  for (const Demands& demands :
       {Demands{.phrases = {}, .prefix = {}, .banned = {}, .token_scores = true},
        Demands{.phrases = {{.forms = {{11, 11}}}}, .prefix = {}, .banned = {}, .token_scores = true}}) {
    for (const Hypothesis& found : search(model, demands)) {
      EXPECT_EQ(found.token_scores.size(), found.ids.size() + (found.cut_off ? 0 : 1));
      double sum = 0.0;
      for (const float score : found.token_scores) sum += static_cast<double>(score);
      EXPECT_NEAR(sum, found.score, 1e-3);  // float32 sums of up to 100
    }
  }
}

}  // namespace
}  // namespace polymoe
