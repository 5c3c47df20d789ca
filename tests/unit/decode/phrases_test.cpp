#include "polymoe/decode/phrases.h"
#include "polymoe/config/decode_options.h"

#include <algorithm>

#include <gtest/gtest.h>

#include "polymoe/decode/beam_search.h"
#include "polymoe/tensor/torch_headers.h"
#include "support/table_model.h"

namespace polymoe {
namespace {

using testing::Ids;
using testing::kEnd;
using testing::TableModel;

PhraseProgress progress_of(const std::vector<Phrase>& phrases, const Ids& ids) {
  PhraseProgress progress = begin_phrases(phrases);
  for (std::size_t i = 1; i <= ids.size(); ++i) {
    progress = continue_phrases(phrases, progress, Ids(ids.begin(), ids.begin() + static_cast<std::ptrdiff_t>(i)));
  }
  return progress;
}

TEST(PhraseProgress, CountsTheTokensThatAreLeft) {
  const std::vector<Phrase> phrases{{{{7, 8, 9}}}, {{{6}}}};
  EXPECT_EQ(begin_phrases(phrases).left, 4u);
  EXPECT_EQ(progress_of(phrases, {7}).left, 3u);
  EXPECT_EQ(progress_of(phrases, {7, 8}).left, 2u);
  EXPECT_EQ(progress_of(phrases, {7, 8, 9}).left, 1u);
  EXPECT_EQ(progress_of(phrases, {7, 8, 9, 6}).left, 0u);
  EXPECT_EQ(progress_of(phrases, {7, 8, 5}).left, 4u);     // begun and left
  EXPECT_EQ(progress_of(phrases, {7, 7, 8, 9}).left, 1u);  // begun again
  EXPECT_EQ(progress_of(phrases, {7, 8, 6}).left, 3u);     // the other one breaks in
}

TEST(PhraseProgress, TheSamePhraseTwiceMustStandTwice) {
  const std::vector<Phrase> phrases{{{{7, 7}}}, {{{7, 7}}}};
  EXPECT_EQ(progress_of(phrases, {7, 7}).left, 2u);
  EXPECT_EQ(progress_of(phrases, {7, 7, 7}).left, 1u);  // the second 7 is used
  EXPECT_EQ(progress_of(phrases, {7, 7, 7, 7}).left, 0u);
}

TEST(PhraseProgress, OneOfTheFormsIsEnough) {
  const std::vector<Phrase> phrases{{{{7, 8, 9}, {5, 6}}}};
  EXPECT_EQ(begin_phrases(phrases).left, 3u);
  EXPECT_EQ(progress_of(phrases, {5}).left, 1u);
  EXPECT_EQ(progress_of(phrases, {5, 6}).left, 0u);
  EXPECT_EQ(next_of_phrases(phrases, progress_of(phrases, {7}), {7}), (Ids{5, 7, 8}));
  EXPECT_EQ(next_of_phrases(phrases, progress_of(phrases, {5, 6}), {5, 6}), (Ids{}));
}

std::vector<std::int64_t> ids_of(const std::vector<Candidate>& candidates) {
  std::vector<std::int64_t> ids;
  for (const Candidate& candidate : candidates) ids.push_back(candidate.id);
  return ids;
}

TEST(AllocateBeams, GivesEachNumberOfTokensItsShare) {
  // id = place; six with nothing met, two with one token, one with both.
  const std::vector<PhraseCandidate> pool{{{0, 0, -1.0f}, 2}, {{0, 1, -1.1f}, 2}, {{0, 2, -1.2f}, 2},
                                          {{0, 3, -1.3f}, 2}, {{0, 4, -1.4f}, 2}, {{0, 5, -1.5f}, 2},
                                          {{0, 6, -5.0f}, 1}, {{0, 7, -6.0f}, 1}, {{0, 8, -9.0f}, 0}};
  EXPECT_EQ(ids_of(allocate_beams(pool, 3, 2)), (std::vector<std::int64_t>{0, 6, 8}));
  EXPECT_EQ(ids_of(allocate_beams(pool, 6, 2)), (std::vector<std::int64_t>{0, 1, 2, 6, 7, 8}));
  EXPECT_EQ(ids_of(allocate_beams(pool, 1, 2)), (std::vector<std::int64_t>{8}));
  EXPECT_EQ(allocate_beams(pool, 20, 2).size(), pool.size());
}

TEST(AllocateBeams, WhatTheLargestShareLeavesGoesBack) {
  const std::vector<PhraseCandidate> pool{{{0, 0, -1.0f}, 0}, {{0, 1, -2.0f}, 0}, {{0, 2, -3.0f}, 0}};
  EXPECT_EQ(ids_of(allocate_beams(pool, 3, 2)), (std::vector<std::int64_t>{0, 1, 2}));
}

std::vector<Hypothesis> search(TableModel& model, const DecodeOptions& options, const std::vector<Phrase>& phrases) {
  DecodeOptions wide = options;
  wide.beam_size = beams_with_phrases(phrases, options.beam_size);
  return beam_search(model, {{5, 7, 2}}, {5},
                     {.end = kEnd, .forbidden = {0, 1}, .word_parts = {}, .blank = {}, .forced = {}}, wide, {},
                     {{phrases}})[0];
}

// Prefers 6 7 8 to everything; 9 may stand in place of 7, at a price that is higher elsewhere.
TableModel model_with_a_synonym() {
  return {12, [](const Ids&, const Ids& read) -> std::map<std::int32_t, float> {
            if (read.size() == 1) return {{6, -0.1f}, {9, -4.0f}, {kEnd, -6.0f}};
            if (read.back() == 6) return {{7, -0.2f}, {9, -2.0f}, {10, -7.0f}, {kEnd, -6.0f}};
            if (read.back() == 7 || read.back() == 9) return {{8, -0.1f}, {9, -5.0f}, {kEnd, -3.0f}};
            return {{kEnd, -0.1f}, {9, -6.0f}, {10, -8.0f}};
          }};
}

TEST(PhraseSearch, PutsAPhraseWhereItFits) {
  TableModel model = model_with_a_synonym();
  DecodeOptions options;
  options.beam_size = 4;
  options.length_penalty = 0.0;
  EXPECT_EQ(search(model, options, {})[0].ids, (Ids{6, 7, 8}));
  const auto found = search(model, options, {{{{9}}}});
  EXPECT_EQ(found[0].ids, (Ids{6, 9, 8}));
  EXPECT_FLOAT_EQ(static_cast<float>(found[0].score), -0.1f - 2.0f - 0.1f - 0.1f);
  options.beam_size = 1;
  EXPECT_EQ(search(model, options, {{{{9}}}})[0].ids, (Ids{6, 9, 8}));
}

TEST(PhraseSearch, TakesTheFormThatTheModelPrefers) {
  TableModel model = model_with_a_synonym();
  DecodeOptions options;
  options.beam_size = 2;
  options.length_penalty = 0.0;
  EXPECT_EQ(search(model, options, {{{{10}, {9}}}})[0].ids, (Ids{6, 9, 8}));
}

TEST(PhraseSearch, HoldsPhrasesThatTheModelWouldNeverWrite) {
  TableModel model = model_with_a_synonym();
  DecodeOptions options;
  options.no_repeat_ngram = 1;
  for (const std::int64_t beams : {1, 2, 5}) {
    options.beam_size = beams;
    options.n_best = beams;
    for (const Hypothesis& h : search(model, options, {{{{11, 11}}}, {{{4}}}, {{{1}}}})) {  // 1 is forbidden to others
      EXPECT_EQ(h.unmet, 0u);
      EXPECT_NE(std::search_n(h.ids.begin(), h.ids.end(), 2, 11), h.ids.end());
      EXPECT_EQ(std::count(h.ids.begin(), h.ids.end(), 4), 1);
      EXPECT_EQ(std::count(h.ids.begin(), h.ids.end(), 1), 1);
    }
  }
}

TEST(PhraseSearch, TellsWhatTheLengthLeavesNoRoomFor) {
  TableModel model(
      12,
      [](const Ids&, const Ids&) {
        return std::map<std::int32_t, float>{{6, -0.1f}};
      },
      4);
  const auto found = search(model, {}, {{{{7, 8, 9, 10}}}});
  EXPECT_TRUE(found[0].cut_off);
  EXPECT_EQ(found[0].unmet, 1u);
  EXPECT_EQ(found[0].ids, (Ids{7, 8, 9}));
}

TEST(PhraseSearch, DoesNotTouchTheOtherSentencesOfABatch) {
  TableModel model = model_with_a_synonym();
  DecodeOptions options;
  options.n_best = 4;
  const SearchSymbols symbols{.end = kEnd, .forbidden = {0, 1}, .word_parts = {}, .blank = {}, .forced = {}};
  const auto alone = beam_search(model, {{5, 7, 2}}, {5}, symbols, options);
  const auto together = beam_search(model, {{5, 7, 2}, {5, 7, 2}}, {5, 5}, symbols, options, {}, {{{{{{9, 9}}}}}, {}});
  ASSERT_EQ(alone[0].size(), together[1].size());
  for (std::size_t i = 0; i < alone[0].size(); ++i) EXPECT_EQ(alone[0][i].ids, together[1][i].ids);
}

}  // namespace
}  // namespace polymoe
