#include <limits>

#include <gtest/gtest.h>

#include "polymoe/config/decode_options.h"
#include "polymoe/decode/beam_search.h"
#include "polymoe/tensor/torch_headers.h"
#include "support/table_model.h"

namespace polymoe {
namespace {

using testing::Ids;
using testing::ids_of;
using testing::kEnd;
using testing::TableModel;

constexpr std::int32_t kBlank = 3;
const Ids kSource{5, 7, 2};

DecodeOptions up_to(std::int64_t length, std::int64_t beams, std::int64_t n_best) {
  DecodeOptions options;
  options.max_length_factor = 0.0;
  options.max_length_offset = length;
  options.beam_size = beams;
  options.n_best = n_best;
  options.length_penalty = 0.0;
  return options;
}

std::vector<Hypothesis> search(TableModel& model, const DecodeOptions& options) {
  return beam_search(model, {kSource}, {5},
                     {.end = kEnd, .forbidden = {0, 1}, .word_parts = {}, .blank = {kBlank}, .forced = {}}, options)[0];
}

TEST(SearchLength, AListIsFilledUpWithWhatTheLengthCutsOff) {
  // 7 ends at once; 8 and 9 go on for ever.
  TableModel model(12, [](const Ids&, const Ids& read) -> std::map<std::int32_t, float> {
    if (read.size() == 1) return {{7, -1.0f}, {8, -1.5f}, {9, -2.0f}};
    if (read.back() == 7) return {{kEnd, 0.0f}};
    return {{read.back(), 0.0f}};
  });
  const auto list = search(model, up_to(3, 3, 3));
  EXPECT_EQ(ids_of(list), (std::vector<Ids>{{7}, {8, 8, 8}, {9, 9, 9}}));
  EXPECT_FALSE(list[0].cut_off);
  EXPECT_TRUE(list[1].cut_off && list[2].cut_off);
  EXPECT_FLOAT_EQ(static_cast<float>(list[2].score), -2.0f);
}

TEST(SearchLength, WhatEndsStandsBeforeWhatIsCutOff) {
  TableModel model(12, [](const Ids&, const Ids& read) -> std::map<std::int32_t, float> {
    if (read.size() == 1) return {{7, -3.0f}, {8, -0.5f}};
    if (read.back() == 7) return {{kEnd, 0.0f}};
    return {{8, 0.0f}, {kEnd, -std::numeric_limits<float>::infinity()}};
  });
  EXPECT_EQ(ids_of(search(model, up_to(3, 2, 2))), (std::vector<Ids>{{7}, {8, 8, 8}}));
  EXPECT_EQ(ids_of(search(model, up_to(3, 2, 1))), (std::vector<Ids>{{7}}));
}

TEST(SearchLength, NoTextIsEmptyNorShowsNothing) {
  // The end first, then a blank and the end, then 7.
  TableModel model(12, [](const Ids&, const Ids&) -> std::map<std::int32_t, float> {
    return {{kEnd, -0.1f}, {kBlank, -0.2f}, {7, -3.0f}};
  });
  DecodeOptions options = up_to(4, 1, 1);
  options.no_repeat_ngram = 0;
  options.min_length = 0;
  EXPECT_EQ(ids_of(search(model, options)), (std::vector<Ids>{{}}));
  options.min_length = 1;
  options.beam_size = 2;  // greedy, the blanks would go on for ever
  EXPECT_EQ(ids_of(search(model, options)), (std::vector<Ids>{{7}}));
}

TEST(SearchLength, AMinimumHoldsForEachSentenceOfABatch) {
  TableModel model(12, [](const Ids& source, const Ids& read) -> std::map<std::int32_t, float> {
    const auto wanted = static_cast<std::size_t>(source[1]);
    return {{read.size() > wanted ? kEnd : source[1], -0.1f}, {read.size() > wanted ? source[1] : kEnd, -4.0f}};
  });
  DecodeOptions options = up_to(8, 1, 1);
  options.no_repeat_ngram = 0;
  options.min_length = 5;
  const auto results =
      beam_search(model, {{5, 4, 2}, {5, 6, 2}}, {5, 5},
                  {.end = kEnd, .forbidden = {0, 1}, .word_parts = {}, .blank = {}, .forced = {}}, options);
  EXPECT_EQ(results[0][0].ids, (Ids{4, 4, 4, 4, 4}));
  EXPECT_EQ(results[1][0].ids, (Ids{6, 6, 6, 6, 6, 6}));
}

}  // namespace
}  // namespace polymoe
