#include "text/sample.h"

#include <filesystem>
#include <fstream>
#include <set>
#include <string>

#include <gtest/gtest.h>
#include <unistd.h>

#include "base/error.h"

namespace polymoe {
namespace {

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

TEST_F(SampleSentences, CountCharactersAndSkippedLines) {
  std::ofstream(path("train"), std::ios::app) << "\u0645\u06CC\u200C\u062E\n\xFF\n";
  const Sample sample = sample_sentences(corpora_, {.skip_bad = true}, {10, 2.0, 1});
  EXPECT_EQ(sample.characters.at("en").counts().at(U'\u200C'), 1u);
  EXPECT_EQ(sample.reports.at("c").bad_utf8, 1u);
}

}  // namespace
}  // namespace polymoe
