#include "polymoe/text/sample.h"

#include <filesystem>
#include <fstream>
#include <set>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "polymoe/base/error.h"
#include "support/log_capture.h"

namespace polymoe {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Counts = std::map<std::string, std::uint64_t>;

TEST(SampleQuotas, FollowTheTemperature) {
  const Counts available = {{"de", 900}, {"en", 100}};
  EXPECT_EQ(sample_quotas(available, 100, 1.0), (Counts{{"de", 90}, {"en", 10}}));
  EXPECT_EQ(sample_quotas(available, 100, 2.0), (Counts{{"de", 75}, {"en", 25}}));  // roots 30 and 10
}

TEST(SampleQuotas, GiveToOthersWhatALanguageCannotFill) {
  // Roots 40, 10, 3 of a sum of 53: ka would get 11 of 200 but has 9; de and en share the other 191 as 4 to 1.
  EXPECT_EQ(sample_quotas({{"de", 1600}, {"en", 100}, {"ka", 9}}, 200, 2.0),
            (Counts{{"de", 152}, {"en", 38}, {"ka", 9}}));
  EXPECT_EQ(sample_quotas({{"de", 16}, {"en", 10}}, 1000, 2.0), (Counts{{"de", 16}, {"en", 10}}));
}

class SampleSentences : public ::testing::Test {
 protected:
  SampleSentences() {
    for (const char* split : {"train", "test"}) {
      std::ofstream file(path(split));
      for (int i = 0; i < 1000; ++i) file << split << " sentence " << i << "\n";
      CorpusSpec spec;
      spec.name = "c";
      spec.split = split;
      spec.kind = CorpusKind::kMonolingual;
      spec.languages = {"en"};
      spec.files = {path(split)};
      corpora_.push_back(spec);
    }
  }
  ~SampleSentences() override {
    for (const char* split : {"train", "test"}) std::filesystem::remove(path(split));
  }
  static std::string path(const std::string& split) {
    return std::filesystem::temp_directory_path() / ("polymoe-sample-" + std::to_string(getpid()) + split);
  }

  std::vector<CorpusSpec> corpora_;
};

TEST_F(SampleSentences, DrawExactlyTheQuotaFromTheTrainSplitWithoutRepeats) {
  const Sample sample = sample_sentences(corpora_, {}, {100, 1.0, 5});
  EXPECT_EQ(sample.languages, std::vector<std::string>{"en"});
  EXPECT_EQ(sample.available.at("en"), 1000u);
  EXPECT_EQ(sample.taken.at("en"), 100u);
  ASSERT_EQ(sample.sentences.size(), 100u);
  EXPECT_EQ(std::set<std::string>(sample.sentences.begin(), sample.sentences.end()).size(), 100u);
  int late = 0;
  for (const std::string& sentence : sample.sentences) {
    EXPECT_EQ(sentence.substr(0, 5), "train");
    late += std::stoi(sentence.substr(15)) >= 500;
  }
  // Half of the text is late. The count is hypergeometric with standard deviation 4.7: five of them are 24.
  EXPECT_NEAR(late, 50, 24);
}

TEST_F(SampleSentences, DependOnTheSeedOnly) {
  const SampleOptions options{100, 1.0, 5};
  EXPECT_EQ(sample_sentences(corpora_, {}, options).sentences, sample_sentences(corpora_, {}, options).sentences);
  EXPECT_NE(sample_sentences(corpora_, {}, options).sentences, sample_sentences(corpora_, {}, {100, 1.0, 6}).sentences);
}

TEST_F(SampleSentences, AreAllThereIsWhenMoreIsAllowed) {
  EXPECT_EQ(sample_sentences(corpora_, {}, {5000, 2.0, 1}).sentences.size(), 1000u);
}

TEST_F(SampleSentences, NeedATrainSplit) { EXPECT_THROW(sample_sentences({corpora_[1]}, {}, {}), Error); }

TEST_F(SampleSentences, LeaveOutAndCountWhatNoVocabularyLearnsFrom) {
  std::ofstream(path("train"), std::ios::app) << "blocks \u2585\u2585\n";
  const Sample sample = sample_sentences(corpora_, {}, {5000, 2.0, 1});
  EXPECT_EQ(sample.available.at("en"), 1000u);
  EXPECT_EQ(sample.taken.at("en"), 1000u);
  EXPECT_EQ(sample.unlearned.at("en"), 1u);
  EXPECT_EQ(sample.sentences.size(), 1000u);
}

TEST_F(SampleSentences, TellLanguagesThatStandInOtherSplitsOnly) {
  CorpusSpec other = corpora_[1];
  other.languages = {"de"};
  corpora_.push_back(other);
  const testing::LogCapture log;
  const Sample sample = sample_sentences(corpora_, {}, {10, 2.0, 1});
  remark_left_out(sample, {corpora_[0], corpora_[1]});
  EXPECT_THAT(log.warnings(), ElementsAre());
  remark_left_out(sample, corpora_);
  EXPECT_THAT(log.warnings(),
              ElementsAre(AllOf(HasSubstr("test: no train split holds a sentence of 'de', so that the vocabulary is "
                                          "without this language"),
                                HasSubstr("name a corpus of it"))));
}

TEST_F(SampleSentences, TellCorporaThatGiveNothing) {
  CorpusSpec bad = corpora_[0];
  bad.name = "bad";
  bad.languages = {"de"};
  bad.files = {path("bad")};
  corpora_.push_back(bad);
  const testing::LogCapture log;
  for (const char* text : {"", "\xFF\n\xFF\n"}) {
    std::ofstream(path("bad")) << text;
    const Sample sample = sample_sentences(corpora_, {.skip_bad = true}, {10, 2.0, 1});
    remark_left_out(sample, corpora_);
  }
  std::filesystem::remove(path("bad"));
  ASSERT_EQ(log.warnings().size(), 3u);
  EXPECT_THAT(log.warnings()[0], HasSubstr("bad train gives no sentence (0 lines, 0 kept)"));
  EXPECT_THAT(log.warnings()[1], HasSubstr("no train split holds a sentence of 'de'"));
  EXPECT_THAT(log.warnings()[2], HasSubstr("bad train gives no sentence (2 lines, 0 kept; skipped: 2 not UTF-8)"));
}

TEST_F(SampleSentences, NeedTextThatCanBeReadTwice) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  ASSERT_EQ(write(ends[1], "one\ntwo\n", 8), 8);
  close(ends[1]);
  CorpusSpec once = corpora_[0];
  once.languages = {"de"};
  once.files = {"/proc/self/fd/" + std::to_string(ends[0])};
  corpora_.push_back(once);
  try {
    sample_sentences(corpora_, {}, {5000, 2.0, 1});
    ADD_FAILURE() << "no error";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("the text of de cannot be read twice"));
  }
  close(ends[0]);
}

TEST_F(SampleSentences, CountCharactersAndSkippedLines) {
  std::ofstream(path("train"), std::ios::app) << "\u0645\u06CC\u200C\u062E\n\xFF\n";
  const Sample sample = sample_sentences(corpora_, {.skip_bad = true}, {10, 2.0, 1});
  EXPECT_EQ(sample.characters.at("en").counts().at(U'\u200C'), 1u);
  EXPECT_EQ(sample.reports.at("c").bad_utf8, 1u);
}

}  // namespace
}  // namespace polymoe
