#include "polymoe/data/stream.h"
#include "polymoe/base/json_text.h"
#include "polymoe/config/data_options.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "polymoe/base/error.h"
#include "polymoe/data/cut.h"
#include "support/log_capture.h"
#include "unit/data/test_data.h"

namespace polymoe {
namespace {

using ::testing::HasSubstr;
using testing::invented_rows;
using testing::TemporaryFolder;

/// 600 aligned lines of de, en and fr, of which fr has 400; and 50 lines of de and en alone.
class StreamTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = std::make_unique<TemporaryFolder>();
    std::vector<std::vector<std::string>> talks;
    for (std::uint64_t i = 700; i < 750; ++i) {
      talks.push_back({testing::invented_sentence("de", i), testing::invented_sentence("en", i)});
    }
    data_ = std::make_unique<Dataset>(testing::prepare_test_data(
        *folder_, {testing::write_corpus(*folder_, "news", "train", {"de", "en", "fr"}, invented_rows(600)),
                   testing::write_corpus(*folder_, "talks", "train", {"de", "en"}, talks)}));
  }
  static void TearDownTestSuite() {
    data_.reset();
    folder_.reset();
  }

  static DataOptions options() {
    DataOptions options;
    options.max_length = 100;
    options.bucket_examples = 64;
    options.denoising_weight = 0.5;
    return options;
  }

  template <typename Action>
  static std::string error_of(Action action) {
    try {
      action();
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  }

  static std::unique_ptr<TemporaryFolder> folder_;
  static std::unique_ptr<Dataset> data_;
};
std::unique_ptr<TemporaryFolder> StreamTest::folder_;
std::unique_ptr<Dataset> StreamTest::data_;

/// All that a micro-batch holds, for comparison.
auto content(const MicroBatch& batch) {
  return std::tuple(batch.rows, batch.source_length, batch.target_length, batch.source, batch.target_input,
                    batch.target_output, batch.source_lengths, batch.target_lengths, batch.source_languages,
                    batch.target_languages, batch.tasks);
}

/// Draws micro-batches to the end of window `windows` - 1 and calls visit(batch) for each.
template <typename Visit>
void visit_windows(BatchStream& stream, std::uint64_t windows, Visit visit) {
  for (;;) {
    MicroBatch batch = stream.next();
    if (stream.state().at("window").get<std::uint64_t>() >= windows) return;
    visit(batch);
  }
}

TEST_F(StreamTest, NeverExceedsTheTokenBudget) {
  for (const std::int64_t budget : {200, 777, 5000}) {
    BatchStream stream(*data_, options(), budget, 1);
    for (int i = 0; i < 300; ++i) {
      const MicroBatch batch = stream.next();
      EXPECT_GT(batch.rows, 0);
      EXPECT_LE(batch.rows * (batch.source_length + batch.target_length), budget);
    }
  }
}

TEST_F(StreamTest, GivesEachExampleOnceAnEpoch) {
  DataOptions o = options();
  o.directions = {"en-fr"};
  o.denoising_weight = 0;
  o.bucket_examples = 400;  // one direction and a window of all its examples: a window is an epoch
  BatchStream stream(*data_, o, 400, 1);
  ASSERT_EQ(stream.shares().size(), 1u);
  ASSERT_EQ(stream.shares()[0].examples, 400u);

  std::multiset<std::pair<std::string, std::string>> expected;
  for (const auto& row : invented_rows(600)) {
    if (!row[2].empty()) expected.emplace(row[1], row[2]);
  }
  std::map<std::uint64_t, std::multiset<std::pair<std::string, std::string>>> epochs;
  visit_windows(stream, 3, [&](const MicroBatch& batch) {
    for (std::int64_t i = 0; i < batch.rows; ++i) {
      const auto source = batch.source.begin() + i * batch.source_length;
      const auto target = batch.target_output.begin() + i * batch.target_length;
      epochs[stream.state().at("window")].emplace(data_->vocabulary().decode({source, source + batch.source_length}),
                                                  data_->vocabulary().decode({target, target + batch.target_length}));
    }
  });
  ASSERT_EQ(epochs.size(), 3u);
  for (const auto& [window, pairs] : epochs) EXPECT_EQ(pairs, expected) << window;
}

TEST_F(StreamTest, DependsOnTheSeedAndNothingElse) {
  BatchStream a(*data_, options(), 300, 1), b(*data_, options(), 300, 1), other(*data_, options(), 300, 2);
  int different = 0;
  for (int i = 0; i < 100; ++i) {
    const auto batch = content(a.next());
    EXPECT_EQ(batch, content(b.next()));
    different += batch != content(other.next());
  }
  EXPECT_GT(different, 90);
}

TEST_F(StreamTest, SpellsTextsAnewWithSubwordDropout) {
  DataOptions o = options();
  o.denoising_weight = 0;
  o.bucket_examples = 400;
  o.directions = {"en-fr"};
  o.max_length = 60;
  const auto texts_and_tokens = [&](double rate, std::uint64_t windows) {
    o.subword_dropout = rate;
    BatchStream stream(*data_, o, 400, 1);
    std::multiset<std::string> texts;
    std::multiset<std::vector<std::int32_t>> rows;
    visit_windows(stream, windows, [&](const MicroBatch& batch) {
      EXPECT_LE(batch.rows * (batch.source_length + batch.target_length), 400);
      EXPECT_LE(std::max(batch.source_length, batch.target_length), o.max_length);
      for (std::int64_t i = 0; i < batch.rows; ++i) {
        const auto target = batch.target_output.begin() + i * batch.target_length;
        const std::vector<std::int32_t> row(target, target + batch.target_lengths[static_cast<std::size_t>(i)]);
        texts.insert(data_->vocabulary().decode(row));
        rows.insert(row);
      }
    });
    return std::pair(texts, rows);
  };
  const auto [texts, rows] = texts_and_tokens(0, 2);
  const auto [spelt_texts, spelt_rows] = texts_and_tokens(0.3, 2);
  EXPECT_EQ(texts, spelt_texts);
  const std::set<std::vector<std::int32_t>> forms(rows.begin(), rows.end()),
      spelt_forms(spelt_rows.begin(), spelt_rows.end());
  EXPECT_GT(spelt_forms.size(), forms.size() * 3 / 2) << "an epoch should not repeat the spelling of another";

  o = options();
  o.subword_dropout = 0.3;
  BatchStream whole(*data_, o, 300, 1), resumed(*data_, o, 300, 1);
  for (int i = 0; i < 50; ++i) whole.skip();
  resumed.restore(whole.state());
  for (int i = 0; i < 20; ++i) EXPECT_EQ(content(whole.next()), content(resumed.next()));
}

TEST_F(StreamTest, GoesOnFromItsStateExactly) {
  constexpr int kBatches = 120, kAfter = 5;
  BatchStream whole(*data_, options(), 300, 1);
  std::vector<nlohmann::json> states;
  std::vector<MicroBatch> batches;
  for (int i = 0; i < kBatches + kAfter; ++i) {
    states.push_back(whole.state());
    batches.push_back(whole.next());
  }
  ASSERT_GT(states.back().at("window").get<int>(), 3) << "the cut points should lie in several windows";
  BatchStream resumed(*data_, options(), 300, 1);
  for (int cut = 0; cut < kBatches; ++cut) {
    // Forth and back in one stream, so that what it held before must not matter.
    const int from = cut * 71 % kBatches;
    resumed.restore(parse_json(dump_json(states[static_cast<std::size_t>(from)])));
    for (int i = from; i < from + kAfter; ++i) {
      ASSERT_EQ(content(resumed.next()), content(batches[static_cast<std::size_t>(i)])) << "cut at " << from;
    }
  }
}

TEST_F(StreamTest, StateStaysSmall) {
  BatchStream stream(*data_, options(), 300, 1);
  for (int i = 0; i < 200; ++i) {
    EXPECT_LT(dump_json(stream.state()).size(), 100u);
    stream.skip();
  }
}

TEST_F(StreamTest, SkipsAsItWouldDraw) {
  BatchStream drawn(*data_, options(), 300, 1), skipped(*data_, options(), 300, 1);
  for (int i = 0; i < 100; ++i) {
    const MicroBatch batch = drawn.next();
    if (i % 4 == 3) {
      EXPECT_EQ(content(batch), content(skipped.next()));
    } else {
      skipped.skip();
    }
    EXPECT_EQ(drawn.state(), skipped.state());
  }
}

TEST_F(StreamTest, ShufflesTheLengthsOfAWindow) {
  DataOptions o = options();
  o.bucket_examples = 2000;
  BatchStream stream(*data_, o, 300, 1);
  int rises = 0, falls = 0;
  std::int64_t before = 0;
  visit_windows(stream, 1, [&](const MicroBatch& batch) {
    rises += batch.target_length > before;
    falls += batch.target_length < before;
    before = batch.target_length;
  });
  // Without the shuffle there would be no fall at all; with it, each way about half the time.
  EXPECT_GT(rises, 30);
  EXPECT_GT(falls, 30);
}

TEST_F(StreamTest, SharesFollowTaskWeightsAndTemperature) {
  const auto shares_of = [](const DataOptions& o) {
    std::map<std::string, double> shares;
    const BatchStream stream(*data_, o, 300, 1);
    for (const BatchStream::Share& share : stream.shares()) {
      shares[task_names(data_->vocabulary())[static_cast<std::size_t>(share.task)] + " " + share.direction.name()] =
          share.share;
    }
    return shares;
  };
  DataOptions o = options();
  o.directions = {"en-de", "en-fr"};
  o.translation_weight = 3;
  o.denoising_weight = 1;
  o.temperature = 1;
  std::map<std::string, double> shares = shares_of(o);
  ASSERT_EQ(shares.size(), 5u);
  EXPECT_NEAR(shares["translation en-de"], 0.75 * 650 / 1050, 1e-9);  // 2^-40 is the unit of shares
  EXPECT_NEAR(shares["translation en-fr"], 0.75 * 400 / 1050, 1e-9);
  EXPECT_NEAR(shares["denoising fr-fr"], 0.25 * 400 / 1700, 1e-9);
  EXPECT_NEAR(shares["denoising de-de"], 0.25 * 650 / 1700, 1e-9);
  o.temperature = 2;
  shares = shares_of(o);
  EXPECT_NEAR(shares["translation en-fr"], 0.75 * 20 / (20 + std::sqrt(650)), 1e-9);
  o.temperature = 1e6;  // as good as equal: 650^1e-6 is 1.0000065
  shares = shares_of(o);
  EXPECT_NEAR(shares["translation en-fr"], 0.375, 1e-5);
  o.temperature = 0.01;  // 650^100 is finite, 650^1000 below is not
  o.task_temperature = 0.001;
  shares = shares_of(o);
  EXPECT_NEAR(shares["denoising en-en"] + shares["denoising de-de"], 1.0, 1e-9)
      << "the largest task, the largest pools";
  EXPECT_NEAR(shares["translation en-fr"], 0.0, 1e-9);
}

TEST_F(StreamTest, DrawsEveryShareExactlyToOneExample) {
  // No chance is in the amounts: a pool with share p has floor(draws * p + phase) of the first draws, so after any
  // number of windows its count is within one of draws * p.
  DataOptions o = options();
  o.temperature = 2;
  BatchStream stream(*data_, o, 300, 1);
  std::map<std::pair<int, std::pair<int, int>>, double> counts;
  std::uint64_t windows = 0;
  const auto check = [&](std::uint64_t complete) {
    for (const BatchStream::Share& share : stream.shares()) {
      const std::pair key(static_cast<int>(share.task),
                          std::pair(data_->vocabulary().language_index(share.direction.source),
                                    data_->vocabulary().language_index(share.direction.target)));
      EXPECT_NEAR(counts[key], share.share * 64.0 * static_cast<double>(complete), 1.0);
    }
  };
  while (windows < 40) {
    const MicroBatch batch = stream.next();
    if (const std::uint64_t now = stream.state().at("window"); now != windows) check(windows = now);
    for (std::size_t i = 0; i < static_cast<std::size_t>(batch.rows); ++i) {
      ++counts[{batch.tasks[i], {batch.source_languages[i], batch.target_languages[i]}}];
    }
  }
}

TEST_F(StreamTest, WindowsSmallerThanTheNumberOfDirectionsStillCome) {
  DataOptions o = options();
  o.bucket_examples = 1;
  BatchStream stream(*data_, o, 300, 1);
  std::int64_t rows = 0;
  visit_windows(stream, 900, [&](const MicroBatch& batch) { rows += batch.rows; });
  EXPECT_NEAR(static_cast<double>(rows), 900, 9);  // nine pools, each right to one example
}

TEST_F(StreamTest, NamesOptionsThatCannotWork) {
  const auto error_with = [](const DataOptions& o, std::int64_t budget = 300) {
    return error_of([&] { BatchStream stream(*data_, o, budget, 1); });
  };
  DataOptions o = options();
  EXPECT_THAT(error_with(o, 199), HasSubstr("data.max-length"));
  o.directions = {"en-dee"};
  EXPECT_THAT(error_with(o), HasSubstr("did you mean 'de'?"));
  o = options();
  o.max_length = 3;
  EXPECT_THAT(error_with(o), HasSubstr("no parallel segments"));
  o.translation_weight = 0;
  EXPECT_THAT(error_with(o), HasSubstr("no segments"));
  o.translation_weight = 1;
  o.directions = {"en-de"};
  EXPECT_THAT(error_with(o), HasSubstr("direction en-de has no segment"));
}

TEST_F(StreamTest, RestoresAnotherRunsStateFromTheStartOfItsWindow) {
  BatchStream before(*data_, options(), 300, 1);
  while (before.state().at("window") != 2 || before.state().at("batch") < 2) before.skip();
  DataOptions changed = options();
  changed.temperature = 5;
  BatchStream after(*data_, changed, 300, 1);
  after.restore(before.state());
  EXPECT_EQ(after.state().at("window"), 2);
  EXPECT_EQ(after.state().at("batch"), 0);
}

TEST_F(StreamTest, RefusesADamagedState) {
  BatchStream stream(*data_, options(), 300, 1);
  const nlohmann::json good = stream.state();
  for (const char* text : {"null", "[]", "{}", R"({"window": 1})", R"({"window": "x", "batch": 0, "fingerprint": 1})",
                           R"({"window": 18446744073709551615, "batch": 0, "fingerprint": 1})"}) {
    EXPECT_THROW(stream.restore(parse_json(text)), Error) << text;
  }
  nlohmann::json beyond = good;
  beyond["batch"] = 1000000;
  stream.restore(beyond);
  EXPECT_EQ(stream.state().at("batch"), 0);
}

TEST(OrderByLengths, SortsStripsOfTargetLengthsBySourceLength) {
  const std::vector<Lengths> examples = {{3, 1}, {1, 5}, {2, 2}, {9, 4}};
  const RandomStream ties(1, 2);
  using Order = std::vector<std::size_t>;
  // 27 tokens, budget 100: 1.4 * sqrt(0.27) = 0.7 strips, so one.
  EXPECT_EQ(order_by_lengths(examples, 100, ties), (Order{1, 2, 0, 3}));
  // Budget 13: 1.4 * sqrt(2.08) = 2.02 strips. By target: {3,1}, {2,2}, {9,4} begin after 0, 4, 8 tokens, in the first
  // half of 27; {1,5} after 21, in the second.
  EXPECT_EQ(order_by_lengths(examples, 13, ties), (Order{2, 0, 3, 1}));
  // Budget 6: 2.97, so three strips of 9 tokens: {3,1}, {2,2} and {9,4} in the first, {1,5} in the third.
  EXPECT_EQ(order_by_lengths(examples, 6, ties), (Order{2, 0, 3, 1}));
  EXPECT_EQ(order_by_lengths({}, 6, ties), Order{});
}

TEST(OrderByLengths, FallsInEverySecondStrip) {
  std::vector<Lengths> examples;
  for (std::int32_t source = 1; source <= 3; ++source) {
    for (const std::int32_t target : {10, 20}) examples.push_back({source, target});
  }
  // 102 tokens in 50s: two strips. The first 36 tokens have target length 10; so has the first half but for the first
  // of target length 20, which begins after 36 and so belongs to it.
  const std::vector<std::size_t> order = order_by_lengths(examples, 50, RandomStream(1, 2));
  std::vector<std::pair<int, int>> lengths;
  for (const std::size_t i : order) lengths.emplace_back(examples[i].target, examples[i].source);
  const std::pair<int, int> first = lengths[0], last = lengths[5];
  EXPECT_EQ(first.second, 1);
  EXPECT_EQ(last, std::pair(20, 2));
  EXPECT_EQ(lengths[4], std::pair(20, 3));
}

TEST(OrderByLengths, MixesEqualsAtRandom) {
  const std::vector<Lengths> equal(100, {5, 5});
  const std::vector<std::size_t> order = order_by_lengths(equal, 10000, RandomStream(1, 2));
  EXPECT_FALSE(std::is_sorted(order.begin(), order.end()));
  EXPECT_EQ(order, order_by_lengths(equal, 10000, RandomStream(1, 2)));
  EXPECT_NE(order, order_by_lengths(equal, 10000, RandomStream(2, 2)));
  EXPECT_EQ(std::set<std::size_t>(order.begin(), order.end()).size(), 100u);
}

TEST(CutByTokens, FillsEachRunAndNoMore) {
  using Ends = std::vector<std::size_t>;
  EXPECT_EQ(cut_by_tokens({}, 10), Ends{});
  EXPECT_EQ(cut_by_tokens({{2, 3}, {2, 3}, {2, 3}}, 10), (Ends{2, 3}));     // two rows of 5 are 10
  EXPECT_EQ(cut_by_tokens({{2, 3}, {2, 4}, {2, 3}}, 10), (Ends{1, 2, 3}));  // padded, the second makes both 6
  EXPECT_EQ(cut_by_tokens({{9, 9}, {1, 1}}, 10), (Ends{1, 2}));
  EXPECT_EQ(cut_by_tokens({{1, 1}, {1, 1}, {1, 1}, {1, 1}, {1, 1}}, 10), Ends{5});
}

TEST_F(StreamTest, TellsHowManyExamplesItsLengthLeavesOut) {
  const testing::LogCapture log;
  DataOptions options;
  options.directions = {"de-en", "en-de"};
  options.max_length = 12;
  const BatchStream stream(*data_, options, 4096, 1);
  std::uint64_t usable = 0;
  for (const BatchStream::Share& share : stream.shares()) usable += share.examples;
  ASSERT_EQ(log.warnings().size(), 1u);
  EXPECT_THAT(log.warnings()[0],
              HasSubstr(fmt::format("data.max-length = 12 leaves out {} of 1300 examples: ", 1300 - usable)));
  EXPECT_THAT(log.warnings()[0], HasSubstr(" of translation de-en"));
  options.max_length = 256;
  const BatchStream whole(*data_, options, 4096, 1);
  EXPECT_EQ(log.warnings().size(), 1u);
}

}  // namespace
}  // namespace polymoe
