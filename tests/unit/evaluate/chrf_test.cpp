#include "polymoe/metrics.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "polymoe/base/error.h"

namespace polymoe {
namespace {

// The expected scores are the same few double operations in another order.
constexpr double kChrfTolerance = 1e-10;

double chrf_of(const std::string& hypothesis, const std::vector<std::string>& references,
               const ChrfOptions& options = {}) {
  return sentence_chrf(hypothesis, references, options).score;
}

TEST(Chrf, AveragesPrecisionAndRecallOverTheOrders) {
  // Characters: 2 of 2 and 2 of 3; pairs: 1 of 1 and 1 of 2. P = 1, R = 7/12, F2 = 5 P R / (4 P + R) = 7/11.
  EXPECT_NEAR(chrf_of("ab", {"abc"}, {.char_order = 2}), 100 * 7. / 11, kChrfTolerance);
}

TEST(Chrf, LeavesOutOrdersThatOneSideIsTooShortFor) {
  EXPECT_NEAR(chrf_of("ab", {"abc"}, {.char_order = 6}), 100 * 7. / 11, kChrfTolerance);
}

TEST(Chrf, EpsSmoothingAveragesFOverAllOrders) {
  // F2 of the characters: 5 * 2/3 / (4 + 2/3) = 5/7; of the pairs: 5 * 1/2 / (4 + 1/2) = 5/9; the other four are 0.
  EXPECT_NEAR(chrf_of("ab", {"abc"}, {.eps_smoothing = true}), 100 * (5. / 7 + 5. / 9) / 6, kChrfTolerance);
}

TEST(Chrf, BetaWeighsRecall) {
  // P = 1, R = 1/2 with characters alone: F1 = 2/3, F3 = 10 * 0.5 / 9.5.
  EXPECT_NEAR(chrf_of("ab", {"abcd"}, {.char_order = 1, .beta = 1}), 100 * 2. / 3, kChrfTolerance);
  EXPECT_NEAR(chrf_of("ab", {"abcd"}, {.char_order = 1, .beta = 3}), 100 * 5 / 9.5, kChrfTolerance);
}

TEST(Chrf, SpacesCountOnlyWhenAskedFor) {
  EXPECT_EQ(chrf_of("a b", {"ab"}), 100);
  EXPECT_NEAR(chrf_of("a b", {"ab"}, {.char_order = 1, .whitespace = true}), 100 * 5 * 2. / 3 / (4 * 2. / 3 + 1),
              kChrfTolerance);
}

TEST(ChrfPlusPlus, SetsOneMarkOfAWordApart) {
  const ChrfOptions words = {.char_order = 0, .word_order = 1};
  EXPECT_EQ(chrf_of("(hi there,", {"( hi there ,"}, words), 100);
  // "(hi)" gives "(hi" and ")", but "(hi )" gives "(", "hi" and ")": P = 1/2, R = 1/3.
  EXPECT_NEAR(chrf_of("(hi)", {"(hi )"}, words), 100 * 5 * (1. / 6) / (2 + 1. / 3), kChrfTolerance);
}

TEST(ChrfPlusPlus, AddsWordOrdersToTheAverage) {
  // Characters: 2 of 2, 2 of 2; words: 0 of 1, 0 of 2. P = R = 1/2.
  EXPECT_NEAR(chrf_of("ab", {"a b"}, {.char_order = 1, .word_order = 1}), 50, kChrfTolerance);
}

TEST(Chrf, TakesTheBestReferenceOfEachSegment) { EXPECT_EQ(chrf_of("abcdef", {"uvwxyz", "abcdef", "abc"}), 100); }

TEST(Chrf, SumsCountsOverTheCorpus) {
  const std::vector<std::string> hypotheses = {"ab", "x"};
  const std::vector<std::vector<std::string>> references = {{"abc", "y"}};
  // Characters: 2 of 3 and 2 of 4.
  EXPECT_NEAR(corpus_chrf(hypotheses, references, {.char_order = 1}).score, 100 * 5 * (1. / 3) / (8. / 3 + 0.5),
              kChrfTolerance);
}

TEST(Chrf, LowercaseIgnoresCase) {
  EXPECT_EQ(chrf_of("ÄÖ", {"äö"}, {.lowercase = true}), 100);
  EXPECT_EQ(chrf_of("ÄÖ", {"äö"}), 0);
}

TEST(Chrf, EmptySidesScoreNothing) {
  EXPECT_EQ(chrf_of("", {"a"}), 0);
  EXPECT_EQ(chrf_of("a", {""}), 0);
  EXPECT_EQ(chrf_of("", {""}), 0);
}

TEST(Chrf, NamesItselfAndItsOptions) {
  const ChrfScore chrf = sentence_chrf("a", std::vector<std::string>{"a"}, {.word_order = 2, .lowercase = true});
  EXPECT_EQ(chrf.name, "chrF2++");
  EXPECT_EQ(chrf.signature, "nrefs:1|case:lc|eff:yes|nc:6|nw:2|space:no");
}

TEST(Chrf, RefusesOptionsOutOfRangeAndMissingReferences) {
  EXPECT_THROW(chrf_of("a", {"a"}, {.char_order = 0}), Error);
  EXPECT_THROW(chrf_of("a", {"a"}, {.beta = 0}), Error);
  EXPECT_THROW(chrf_of("a", {}), Error);
}

}  // namespace
}  // namespace polymoe
