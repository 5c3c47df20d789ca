#include "polymoe/evaluate/rouge.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "polymoe/base/error.h"
#include "polymoe/base/files.h"
#include "polymoe/base/json_text.h"
#include "polymoe/base/utf8.h"

namespace polymoe {
namespace {

using ::testing::ElementsAre;

std::vector<std::string> words(std::string_view text, RougeTokens tokens) {
  std::vector<std::string> words;
  for (const std::u32string& word : rouge_words(text, tokens)) words.push_back(encode_utf8(word));
  return words;
}

TEST(Rouge, CountsByHand) {
  // 3 of 4 words and 1 of 3 pairs ("on the"); the longest common subsequence is "on the mat".
  const std::vector<std::string> reference{"sits on the mat"};
  const RougeScore score = sentence_rouge("On the red mat!", reference);
  EXPECT_DOUBLE_EQ(score.rouge1.f, 75.0);
  EXPECT_NEAR(score.rouge2.f, 100.0 / 3, 1e-12);
  EXPECT_DOUBLE_EQ(score.rouge_l.recall, 75.0);
  // A word counts as often as the reference has it.
  EXPECT_DOUBLE_EQ(sentence_rouge("the the the the", reference).rouge1.precision, 25.0);
}

TEST(Rouge, WordsOfScripts) {
  EXPECT_THAT(words("Don't re-open café_2", RougeTokens::kAscii), ElementsAre("don", "t", "re", "open", "caf", "2"));
  EXPECT_THAT(words("Don't re-open café_2", RougeTokens::kUnicode), ElementsAre("don", "t", "re", "open", "café", "2"));
  EXPECT_THAT(words("Файл, ΟΔΟΣ; फ़ाइल।", RougeTokens::kUnicode), ElementsAre("файл", "οδος", "फ़ाइल"));
  EXPECT_THAT(words("打开file。ファイル", RougeTokens::kUnicode),
              ElementsAre("打", "开", "file", "フ", "ァ", "イ", "ル"));
  EXPECT_THAT(words("파일을 연다", RougeTokens::kUnicode), ElementsAre("파일을", "연다"));
  EXPECT_THAT(words("打开文件", RougeTokens::kAscii), ElementsAre());
  EXPECT_THAT(words("", RougeTokens::kUnicode), ElementsAre());
}

TEST(Rouge, TakesTheBestReferenceForEachMeasure) {
  const std::vector<std::string> references{"a b c", "c b a x"};
  const RougeScore score = sentence_rouge("c b a", references);
  EXPECT_DOUBLE_EQ(score.rouge1.f, 100.0);                                   // the first: the same words
  EXPECT_NEAR(score.rouge2.f, 2 * 1.0 * (2.0 / 3) / (5.0 / 3) * 100, 1e-9);  // the second: the same pairs
}

TEST(Rouge, ACorpusScoresTheMeanOfItsSegments) {
  const std::vector<std::string> hypotheses{"a b", "x"};
  const std::vector<std::vector<std::string>> references{{"a b", "y"}};
  EXPECT_DOUBLE_EQ(corpus_rouge(hypotheses, references).rouge1.f, 50.0);
  EXPECT_DOUBLE_EQ(corpus_rouge(hypotheses, references).rouge_l.precision, 50.0);
  const std::vector<std::vector<std::string>> short_stream{{"a b"}};
  EXPECT_THROW(corpus_rouge(hypotheses, short_stream), Error);
  EXPECT_THROW(parse_rouge_tokens("words"), Error);
}

TEST(Rouge, NothingToCompareScoresZero) {
  const std::vector<std::string> reference{"a b"}, blank{"..."};
  EXPECT_EQ(sentence_rouge("", reference).rouge1.f, 0.0);
  EXPECT_EQ(sentence_rouge("a", blank).rouge_l.f, 0.0);
  EXPECT_EQ(sentence_rouge("a", reference).rouge2.f, 0.0);  // a single word has no pair
}

// scripts/metric-table makes the table with the rouge-score package. Both sides divide the same whole numbers.
TEST(Rouge, SentencesInManyLanguagesScoreAsTheReferenceImplementationSays) {
  const std::string tables = POLYMOE_SOURCE_DIR "/tests/data/evaluate/";
  const auto sentences = parse_json(read_file(tables + "sentences.json"));
  const auto expected = parse_json(read_file(tables + "rouge-scores.json"))["sentences"];
  ASSERT_EQ(sentences.size(), expected.size());
  for (std::size_t i = 0; i < sentences.size(); ++i) {
    const auto hypothesis = sentences[i]["hypothesis"].get<std::string>();
    const auto references = sentences[i]["references"].get<std::vector<std::string>>();
    for (const RougeTokens tokens : {RougeTokens::kAscii, RougeTokens::kUnicode}) {
      const RougeScore score = sentence_rouge(hypothesis, references, tokens);
      const auto& row = expected[i][std::string(rouge_tokens_name(tokens))];
      const std::pair<const char*, RougeValue> values[] = {
          {"rouge1", score.rouge1}, {"rouge2", score.rouge2}, {"rougeL", score.rouge_l}};
      for (const auto& [name, value] : values) {
        EXPECT_NEAR(value.precision, 100 * row[name][0].get<double>(), 1e-9) << hypothesis << " " << name;
        EXPECT_NEAR(value.recall, 100 * row[name][1].get<double>(), 1e-9) << hypothesis << " " << name;
        EXPECT_NEAR(value.f, 100 * row[name][2].get<double>(), 1e-9) << hypothesis << " " << name;
      }
    }
  }
}

}  // namespace
}  // namespace polymoe
