#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "polymoe/cancelled.h"
#include "polymoe/config/decode_options.h"
#include "polymoe/decode/beam_search.h"
#include "polymoe/decode/text_stream.h"
#include "polymoe/tensor/torch_headers.h"
#include "support/table_model.h"

namespace polymoe {
namespace {

using ::testing::ElementsAre;
using testing::Ids;
using testing::ids_of;
using testing::kEnd;
using testing::TableModel;

std::vector<Hypothesis> search(TableModel& model, std::int64_t beams, const SearchWatch& watch) {
  DecodeOptions options;
  options.beam_size = beams;
  options.no_repeat_ngram = 0;
  return beam_search(model, {{5, 7, 2}}, {5},
                     {.end = kEnd, .forbidden = {0, 1}, .word_parts = {}, .blank = {}, .forced = {}}, options, {}, {},
                     watch)[0];
}

// 8, then 9 or 10, of which 10 turns out to be the better one, then 11.
TableModel forked_model() {
  return {12, [](const Ids&, const Ids& read) -> std::map<std::int32_t, float> {
            if (read.size() == 1) return {{8, -0.1f}};
            if (read.size() == 2) return {{9, -0.6f}, {10, -0.7f}};
            if (read.size() == 3) return {{11, read.back() == 9 ? -3.0f : -0.1f}};
            return {{kEnd, -0.1f}};
          }};
}

TEST(SearchWatch, TellsWhatAllHypothesesBeginWith) {
  TableModel model = forked_model();
  std::vector<Ids> told;
  const auto list = search(model, 2, {.known = [&](std::size_t sentence, std::span<const std::int32_t> ids) {
                             EXPECT_EQ(sentence, 0U);
                             told.emplace_back(ids.begin(), ids.end());
                           }});
  EXPECT_EQ(list[0].ids, (Ids{8, 10, 11}));
  EXPECT_THAT(told, ElementsAre(Ids{8}, Ids{8, 10, 11}));
}

TEST(SearchWatch, TellsEachTokenOfASingleHypothesis) {
  TableModel model = forked_model();
  std::vector<Ids> told;
  search(model, 1,
         {.known = [&](std::size_t, std::span<const std::int32_t> ids) { told.emplace_back(ids.begin(), ids.end()); }});
  EXPECT_THAT(told, ElementsAre(Ids{8}, Ids{8, 9}, Ids{8, 9, 11}));
}

TEST(SearchWatch, StopsAtTheNextStep) {
  TableModel model(12, [](const Ids&, const Ids&) -> std::map<std::int32_t, float> { return {{8, -0.1f}}; });
  std::stop_source stop;
  std::size_t told = 0;
  const auto known = [&](std::size_t, std::span<const std::int32_t>) {
    if (++told == 3) stop.request_stop();
  };
  EXPECT_THROW(search(model, 1, {.known = known, .stop = stop.get_token()}), Cancelled);
  EXPECT_EQ(told, 3U);
}

// What is told when text `parts` are updated one after another.
struct Told {
  std::vector<std::string> added;
  std::vector<bool> complete;
  PartialSink sink = [this](const PartialText& text) {
    added.emplace_back(text.added);
    complete.push_back(text.complete);
  };
};

TEST(TextStream, HoldsBackWhatMayChange) {
  Told told;
  TextStream stream(told.sink, 1);
  stream.set_parts(0, 1);
  stream.update(0, 0, "Die", false);
  stream.update(0, 0, "Die ", false);
  stream.update(0, 0, "Die \xEF\xBF\xBD", false);
  stream.update(0, 0, "Die T\xC3\xBCr", false);
  stream.update(0, 0, "Die T\xC3\xBCr", true);
  EXPECT_THAT(told.added, ElementsAre("Die", " T\xC3\xBCr", ""));
  EXPECT_THAT(told.complete, ElementsAre(false, false, true));
}

TEST(TextStream, PartsComeInTheirOrder) {
  Told told;
  TextStream stream(told.sink, 2);
  stream.set_parts(0, 3);
  stream.set_parts(1, 1);
  stream.update(0, 1, "Zwei", false);
  stream.update(0, 2, "Drei.", true);
  stream.update(0, 0, "Eins.", true);
  stream.update(1, 0, "Anderes.", true);
  stream.update(0, 1, "Zwei.", true);
  EXPECT_THAT(told.added, ElementsAre("Eins. Zwei", "Anderes.", ". Drei."));
  EXPECT_THAT(told.complete, ElementsAre(false, true, true));
}

}  // namespace
}  // namespace polymoe
