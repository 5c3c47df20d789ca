// Tasks of the user's naming: from pairs of text to micro-batches.
#include <cmath>
#include <map>
#include <memory>
#include <numeric>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "polymoe/base/error.h"
#include "polymoe/data/dataset.h"
#include "polymoe/data/pool.h"
#include "polymoe/data/stream.h"
#include "polymoe/data/validation.h"
#include "unit/data/test_data.h"

namespace polymoe {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::invented_sentence;

/// 100 lines of de and en, 60 summaries en-en, 20 commands de-en; 10 of the summaries are held out.
class TaskPairs : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = std::make_unique<testing::TemporaryFolder>();
    std::vector<std::string> sentences, de, en, summaries, held_out, commands;
    for (std::uint64_t i = 0; i < 100; ++i) {
      de.push_back(invented_sentence("de", i));
      en.push_back(invented_sentence("en", i));
      const std::string pair = en.back() + " " + en.back() + "\t" + en.back();
      if (i < 60) (i < 10 ? held_out : summaries).push_back(pair);
      if (i < 20) commands.push_back("{\"do\": \"" + de.back() + "\", \"run\": \"" + en.back() + "\", \"id\": 7}");
    }
    for (std::uint64_t i = 0; i < 500; ++i) sentences.push_back(invented_sentence("en", i));
    VocabularyOptions vocabulary;
    vocabulary.size = 120;
    vocabulary.tasks = {"denoise", "summary", "command"};
    write_file(*folder_ / "vocab.model", train_vocabulary(vocabulary, {"de", "en"}, sentences));
    testing::write_lines(*folder_ / "text.de", de);
    testing::write_lines(*folder_ / "text.en", en);
    testing::write_lines(*folder_ / "summaries.tsv", summaries);
    testing::write_lines(*folder_ / "held-out.tsv", held_out);
    testing::write_lines(*folder_ / "commands.jsonl", commands);
    PrepareOptions options;
    options.vocabulary = *folder_ / "vocab.model";
    options.out = *folder_ / "data";
    const std::string at = folder_->path().string() + "/";
    options.corpora = parse_corpora({"train:files:de=" + at + "text.de,en=" + at + "text.en",
                                     "train:task:summary:tsv:" + at + "summaries.tsv:en,en",
                                     "valid:task:summary:tsv:" + at + "held-out.tsv:en,en",
                                     "train:task:command:jsonl:" + at + "commands.jsonl:do=de,run=en"});
    prepare(options);
    data_ = std::make_unique<Dataset>(*folder_ / "data");
  }
  static void TearDownTestSuite() {
    data_.reset();
    folder_.reset();
  }

  static DataOptions options() {
    DataOptions options;
    options.max_length = 100;
    options.bucket_examples = 64;
    return options;
  }

  static std::map<std::string, double> shares_of(const DataOptions& options) {
    std::map<std::string, double> shares;
    const BatchStream stream(*data_, options, 300, 1);
    for (const BatchStream::Share& share : stream.shares()) {
      shares[task_names(data_->vocabulary())[static_cast<std::size_t>(share.task)]] += share.share;
    }
    return shares;
  }

  /// Draws of each task among windows [first, last).
  static std::map<std::int32_t, double> drawn(BatchStream& stream, std::uint64_t first, std::uint64_t last) {
    std::map<std::int32_t, double> rows;
    for (;;) {
      const MicroBatch batch = stream.next();
      const auto window = stream.state().at("window").get<std::uint64_t>();
      if (window >= last) return rows;
      for (const std::int32_t task : batch.tasks) rows[task] += window >= first ? 1 : 0;
    }
  }

  static std::string error_of(const DataOptions& options) {
    try {
      BatchStream(*data_, options, 300, 1);
    } catch (const Error& error) {
      return error.what();
    }
    return "no error";
  }

  static std::unique_ptr<testing::TemporaryFolder> folder_;
  static std::unique_ptr<Dataset> data_;
};
std::unique_ptr<testing::TemporaryFolder> TaskPairs::folder_;
std::unique_ptr<Dataset> TaskPairs::data_;

TEST_F(TaskPairs, StandApartFromTextThatTranslates) {
  EXPECT_THAT(task_names(data_->vocabulary()), ElementsAre("translation", "denoising", "summary", "command"));
  EXPECT_THAT(data_->languages(), ElementsAre("de", "en"));
  EXPECT_THAT(data_->task_directions("summary", "train"), ElementsAre(Direction{"en", "en"}));
  EXPECT_THAT(data_->task_directions("command", "train"), ElementsAre(Direction{"de", "en"}));
  EXPECT_TRUE(data_->task_directions("command", "valid").empty());
  EXPECT_TRUE(data_->directions("valid").empty()) << "pairs of a task are no translations";
  ExampleIndex index(*data_, "train", 100);
  EXPECT_EQ(index.examples({"de", "en"}).count(), 100u);
  EXPECT_EQ(index.examples({"de", "en"}, "command").count(), 20u);
  EXPECT_EQ(index.examples({"en", "en"}).count(), 100u) << "denoising does not take a task's text";
  EXPECT_EQ(index.examples({"en", "en"}, "summary").count(), 50u);
}

TEST_F(TaskPairs, BeginWithTheTagsOfTaskAndLanguage) {
  const Vocabulary& vocabulary = data_->vocabulary();
  ExampleIndex index(*data_, "train", 100);
  const Task task = parse_task("summary", vocabulary);
  const Pool pool(vocabulary, task, {"en", "en"}, index.examples({"en", "en"}, "summary"), {}, 3);
  const Pool::Draw draw = pool.draw_at(0, pool.examples().place(0));
  const Example example = pool.materialize(draw);
  const std::string line = invented_sentence("en", 10);
  std::vector<std::int32_t> source = {vocabulary.task_tag("summary"), vocabulary.language_tag("en")};
  vocabulary.encode(line + " " + line, 0, source);
  source.push_back(vocabulary.eos());
  std::vector<std::int32_t> target = vocabulary.encode(line);
  target.push_back(vocabulary.eos());
  EXPECT_EQ(example.source, source);
  EXPECT_EQ(example.target, target);
  EXPECT_EQ(example.task, 2);
  EXPECT_EQ(draw.source_length, static_cast<std::int32_t>(source.size()));
}

TEST_F(TaskPairs, AreValidatedWithTheirOwnText) {
  const ValidationSet set =
      make_validation_set(*data_, {"en", "en"}, "valid", 0, 100, 300, parse_task("summary", data_->vocabulary()));
  ASSERT_EQ(set.references.size(), 10u);
  for (std::size_t i = 0; i < 10; ++i) EXPECT_EQ(set.sources[i], set.references[i] + " " + set.references[i]);
  EXPECT_EQ(set.batches.front().source.front(), data_->vocabulary().task_tag("summary"));
  EXPECT_THROW(make_validation_set(*data_, {"en", "en"}, "valid", 0, 100, 300), Error);
}

TEST_F(TaskPairs, ShareByWeightAndBySize) {
  DataOptions o = options();
  o.denoising_weight = 0.5;
  std::map<std::string, double> shares = shares_of(o);
  // Weights 1, 0.5, and 1 for each task that the options do not name.
  EXPECT_NEAR(shares["translation"], 1 / 3.5, 1e-9);
  EXPECT_NEAR(shares["command"], 1 / 3.5, 1e-9);
  o.task_weights = {"summary=0.5", "command=0"};
  shares = shares_of(o);
  EXPECT_NEAR(shares["summary"], 0.25, 1e-9);
  EXPECT_FALSE(shares.contains("command"));
  o.task_weights = {};
  o.denoising_weight = 0;
  o.task_temperature = 1;  // 200 translations, 50 summaries, 20 commands
  shares = shares_of(o);
  EXPECT_NEAR(shares["summary"], 50.0 / 270, 1e-9);
  o.task_temperature = 2;
  shares = shares_of(o);
  EXPECT_NEAR(shares["command"], std::sqrt(20) / (std::sqrt(200) + std::sqrt(50) + std::sqrt(20)), 1e-9);
}

TEST_F(TaskPairs, FollowTheScheduleAndResumeOnIt) {
  DataOptions o = options();
  o.task_weights = {"command=0"};
  // Translation alone, then half summaries from the 40th window on.
  o.task_schedule = {"summary=0@0", "summary=1@2560"};
  BatchStream stream(*data_, o, 300, 5);
  const std::map<std::int32_t, double> rising = drawn(stream, 0, 40), after = drawn(stream, 40, 60);
  // The shares run straight from 0 to 1/2: a quarter on average. Two pools of translation round by one each.
  EXPECT_NEAR(rising.at(2), 0.25 * 2560, 3);
  EXPECT_NEAR(after.at(2) / (after.at(0) + after.at(2)), 0.5, 0.02);

  BatchStream whole(*data_, o, 300, 5), half(*data_, o, 300, 5);
  for (int i = 0; i < 57; ++i) whole.next();
  half.restore(whole.state());
  for (int i = 0; i < 20; ++i) {
    const MicroBatch a = whole.next(), b = half.next();
    EXPECT_EQ(a.source, b.source);
    EXPECT_EQ(a.tasks, b.tasks);
  }
}

TEST_F(TaskPairs, SaysWhichWeightOrScheduleIsWrong) {
  DataOptions o = options();
  for (const auto& [weights, schedule, message] :
       std::vector<std::tuple<std::vector<std::string>, std::vector<std::string>, std::string>>{
           {{"sumary=1"}, {}, "no task 'sumary'; did you mean 'summary'?"},
           {{"summary"}, {}, "data.task-weights: 'summary' is not TASK=WEIGHT"},
           {{"summary=-1"}, {}, "data.task-weights: 'summary=-1' is not TASK=WEIGHT"},
           {{"summary=nan"}, {}, "is not TASK=WEIGHT"},
           {{"translation=1"}, {}, "set data.translation-weight"},
           {{"summary=1", "summary=3"}, {}, "data.task-weights: two weights for summary"},
           {{}, {"summary=1@5", "summary=2@5"}, "data.task-schedule: two weights for summary after 5 examples"},
           {{}, {"summary=1"}, "data.task-schedule: 'summary=1' is not TASK=WEIGHT@EXAMPLES"},
           {{}, {"summary=1@-5"}, "is not TASK=WEIGHT@EXAMPLES"},
           {{}, {"summary=1@99999999999999999999"}, "is not TASK=WEIGHT@EXAMPLES"},
           {{"summary=0", "command=0"}, {"translation=1@0", "translation=0@50"}, "after 50 examples every task"},
       }) {
    o.task_weights = weights;
    o.task_schedule = schedule;
    EXPECT_THAT(error_of(o), HasSubstr(message));
  }
}

TEST_F(TaskPairs, NeedATagInTheVocabularyAndBothSides) {
  PrepareOptions options;
  options.vocabulary = *folder_ / "vocab.model";
  options.out = *folder_ / "other";
  const std::string at = folder_->path().string() + "/";
  const auto error_of_corpus = [&](const std::string& notation) {
    try {
      options.corpora = parse_corpora({notation});
      prepare(options);
    } catch (const Error& error) {
      return std::string(error.what());
    }
    return std::string("no error");
  };
  EXPECT_THAT(error_of_corpus("train:task:title:tsv:" + at + "summaries.tsv:en,en"), HasSubstr("has no task 'title'"));
  testing::write_lines(*folder_ / "half.tsv", {"ba ko\t"});
  EXPECT_THAT(error_of_corpus("train:task:summary:tsv:" + at + "half.tsv:en,en"), HasSubstr("half.tsv:1: no text for"));
  testing::write_lines(*folder_ / "half.jsonl", {"{\"do\": \"ba\"}"});
  EXPECT_THAT(error_of_corpus("train:task:command:jsonl:" + at + "half.jsonl:do=de,run=en"),
              HasSubstr("half.jsonl:1: no text for 'en'"));
  EXPECT_FALSE(std::filesystem::exists(options.out));
}

TEST_F(TaskPairs, AreRefusedWhereTheDescriptionIsDamaged) {
  const auto damaged = [&](const std::string& from, const std::string& to) {
    const std::filesystem::path copy = *folder_ / "copy";
    std::filesystem::remove_all(copy);
    std::filesystem::copy(*folder_ / "data", copy, std::filesystem::copy_options::recursive);
    std::string text = read_file(copy / "dataset.json");
    const std::size_t at = text.find(from);
    ASSERT_NE(at, std::string::npos);
    text.replace(at, from.size(), to);
    write_file(copy / "dataset.json", text);
    EXPECT_THROW(Dataset{copy}, Error) << to;
  };
  damaged("\"task\": \"summary\"", "\"task\": \"none\"");
  damaged("\"in.en\"", "\"../in.en\"");
  damaged("\"source\": \"en\"", "\"source\": \"it\"");
  damaged("\"source\": \"en\"", "\"source\": 3");
}

TEST(ShareCurve, SumsTheShareExactly) {
  constexpr std::uint64_t kOne = std::uint64_t{1} << ShareCurve::kBits;
  const ShareCurve curve({0, 100, 250, 1000}, {kOne / 2, kOne / 4, kOne / 4, 0});
  EXPECT_EQ(curve.first(), 0.5);
  EXPECT_EQ(curve.draws_before(0, 0), 0u);
  EXPECT_EQ(curve.draws_before(100, 0), 37u);                   // 100 * 3/8 = 37.5
  EXPECT_EQ(curve.draws_before(100, kOne / 2), 38u);            // and half
  EXPECT_EQ(curve.draws_before(250, kOne / 2), 75u + 0u + 0u);  // 37.5 + 150 / 4 + 0.5 = 75.5
  EXPECT_EQ(curve.draws_before(1000, 0), 168u);                 // 75 + 750 / 8 = 168.75
  EXPECT_EQ(curve.draws_before(std::uint64_t{1} << 62, 0), 168u) << "nothing after the last point";
  std::uint64_t before = 0;
  for (std::uint64_t draws = 1; draws < 1100; ++draws) {
    const std::uint64_t now = curve.draws_before(draws, 12345);
    EXPECT_TRUE(now == before || now == before + 1) << draws;
    before = now;
  }
}

TEST(ShareCurve, WithoutPointsIsTheProductOfDrawsAndShare) {
  constexpr std::uint64_t kShare = 123456789, kPhase = 987654321;
  const ShareCurve curve({0}, {kShare});
  for (const std::uint64_t draws : {std::uint64_t{0}, std::uint64_t{77777}, std::uint64_t{1} << 62}) {
    const auto expected = (static_cast<unsigned __int128>(draws) * kShare + kPhase) >> ShareCurve::kBits;
    EXPECT_EQ(curve.draws_before(draws, kPhase), static_cast<std::uint64_t>(expected));
  }
}

TEST(ShareCurve, HoldsAtTheFarthestPoint) {
  constexpr std::uint64_t kOne = std::uint64_t{1} << ShareCurve::kBits;
  EXPECT_EQ(ShareCurve({0, ShareCurve::kLastPoint}, {0, kOne}).draws_before(ShareCurve::kLastPoint, 0),
            ShareCurve::kLastPoint / 2);
  EXPECT_EQ(ShareCurve({0, ShareCurve::kLastPoint}, {kOne, 0}).draws_before(ShareCurve::kLastPoint - 1, 0),
            ShareCurve::kLastPoint / 2 - 1);
}

}  // namespace
}  // namespace polymoe
