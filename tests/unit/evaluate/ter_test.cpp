#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "polymoe/base/error.h"
#include "polymoe/metrics.h"

namespace polymoe {
namespace {

TerScore ter(const std::string& hypothesis, const std::string& reference, const TerOptions& options = {}) {
  const std::vector<std::string> references = {reference};
  return sentence_ter(hypothesis, references, options);
}

TEST(Ter, CountsWordsInsertedDeletedAndReplaced) {
  EXPECT_EQ(ter("a b c", "a b c").edits, 0u);
  EXPECT_EQ(ter("a c", "a b c").edits, 1u);
  EXPECT_EQ(ter("a b b c", "a b c").edits, 1u);
  EXPECT_EQ(ter("a x c", "a b c").edits, 1u);
  EXPECT_DOUBLE_EQ(ter("x y z w", "a b").score, 200);
}

TEST(Ter, ARunOfWordsElsewhereIsOneEdit) {
  EXPECT_EQ(ter("d e f g h a b c", "a b c d e f g h").edits, 1u);
  EXPECT_EQ(ter("a b x c d", "c d x a b").edits, 2u);
  EXPECT_EQ(ter("b a", "a b").edits, 1u);
}

TEST(Ter, NothingToCompareWithIsWrongAltogether) {
  EXPECT_EQ(ter("", "").score, 0);
  EXPECT_EQ(ter("a b", "").score, 100);
  EXPECT_EQ(ter("", "a b").score, 100);
}

TEST(Ter, TakesTheNearestReferenceAndTheMeanLength) {
  const std::vector<std::string> references = {"a b c d", "x y"};
  const TerScore score = sentence_ter("a b c", references);
  EXPECT_EQ(score.edits, 1u);
  EXPECT_EQ(score.reference_length, 3);
  const std::vector<std::string> hypotheses = {"a b c", "x"};
  const std::vector<std::vector<std::string>> streams = {{"a b c d", "x"}, {"x y", "x"}};
  EXPECT_DOUBLE_EQ(corpus_ter(hypotheses, streams).score, 25);
}

TEST(Ter, OptionsDecideWhatWordsAre) {
  EXPECT_EQ(ter("The End", "the end").edits, 0u);
  EXPECT_EQ(ter("The End", "the end", {.case_sensitive = true}).edits, 2u);
  EXPECT_EQ(ter("Ann's dog, &quot;Rex&quot;", "ann 's dog , \" rex \"", {.normalized = true}).edits, 0u);
  EXPECT_EQ(ter("it 's , so", "it's, so", {.normalized = true}).edits, 0u) << "references are cut twice";
  EXPECT_EQ(ter("it's, so", "it 's , so", {.normalized = true}).edits, 2u);
  EXPECT_EQ(ter("yes, (no)!", "yes no", {.no_punctuation = true}).edits, 0u);
  EXPECT_EQ(ter("今天。", "今天", {.no_punctuation = true}).edits, 1u);
  EXPECT_EQ(ter("今天。", "今天", {.no_punctuation = true, .asian_support = true}).edits, 0u);
  EXPECT_EQ(ter("今天好", "今 天 好", {.normalized = true, .asian_support = true}).edits, 0u);
  EXPECT_EQ(ter("今天好", "今 天 好", {.asian_support = true}).edits, 3u);
}

TEST(Ter, LongSegmentsEnd) {
  std::string forwards, backwards;
  for (int i = 0; i < 5000; ++i) {
    forwards += std::to_string(i % 700) + " ";
    backwards = std::to_string(i % 700) + " " + backwards;
  }
  const TerScore score = ter(forwards, backwards);
  EXPECT_GT(score.score, 50);
  EXPECT_LE(score.edits, 5000u);
}

TEST(Ter, RefusesMissingReferences) {
  const std::vector<std::string> none, hypotheses = {"a"};
  EXPECT_THROW(sentence_ter("a", none), Error);
  EXPECT_THROW(corpus_ter(hypotheses, {}), Error);
}

}  // namespace
}  // namespace polymoe
