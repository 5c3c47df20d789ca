#include "polymoe/metrics.h"

#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "polymoe/base/error.h"

namespace polymoe {
namespace {

// The expected scores are the same few double operations in another order.
constexpr double kBleuTolerance = 1e-10;

using Counts = std::vector<std::uint64_t>;

BleuScore bleu_of(const std::string& hypothesis, const std::vector<std::string>& references,
                  const BleuOptions& options = {}) {
  return sentence_bleu(hypothesis, references, options);
}

TEST(Bleu, IsTheGeometricMeanOfThePrecisions) {
  const BleuScore bleu = bleu_of("the cat sat on the mat", {"the cat sat on a mat"});
  EXPECT_EQ(bleu.counts, (Counts{5, 3, 2, 1}));
  EXPECT_EQ(bleu.totals, (Counts{6, 5, 4, 3}));
  EXPECT_NEAR(bleu.precisions[1], 60, kBleuTolerance);
  EXPECT_EQ(bleu.brevity_penalty, 1);
  EXPECT_NEAR(bleu.score, 100 * std::pow(5. / 6 * 3 / 5 * 2 / 4 * 1 / 3, 0.25), kBleuTolerance);
}

TEST(Bleu, ClipsCountsAtTheReferenceThatHasMost) {
  const BleuScore bleu = bleu_of("the the the the the the the", {"the cat is on the mat", "there is a cat on the mat"});
  EXPECT_EQ(bleu.counts, (Counts{2, 0, 0, 0}));
  EXPECT_EQ(bleu.totals, (Counts{7, 6, 5, 4}));
}

TEST(Bleu, PenalisesHypothesesShorterThanTheirReference) {
  const BleuScore bleu = bleu_of("a b c d", {"a b c d e f g h"});
  EXPECT_EQ(bleu.hypothesis_length, 4u);
  EXPECT_EQ(bleu.reference_length, 8u);
  EXPECT_NEAR(bleu.brevity_penalty, std::exp(-1), kBleuTolerance);
  EXPECT_NEAR(bleu.score, 100 * std::exp(-1), kBleuTolerance);
}

TEST(Bleu, TakesTheReferenceOfTheClosestLengthTheShorterOfTwo) {
  EXPECT_EQ(bleu_of("a b c d e", {"a b c d e f", "a b c d", "a b"}).reference_length, 4u);
  EXPECT_EQ(bleu_of("a b c d e", {"a", "a b c d e f g"}).reference_length, 7u);
}

TEST(Bleu, SmoothsOrdersWithoutAMatch) {
  const std::string hypothesis = "a b c d e";
  const std::vector<std::string> references = {"a x b y c"};  // three words match, nothing longer
  const auto score = [&](BleuSmoothing smoothing, std::optional<double> value = {}) {
    return bleu_of(hypothesis, references, {.smoothing = smoothing, .smoothing_value = value}).score;
  };
  EXPECT_NEAR(score(BleuSmoothing::kExponential), 100 * std::pow(3. / 5 / (2 * 4) / (4 * 3) / (8 * 2), 0.25),
              kBleuTolerance);
  EXPECT_NEAR(score(BleuSmoothing::kFloor), 100 * std::pow(3. / 5 * 0.1 / 4 * 0.1 / 3 * 0.1 / 2, 0.25), kBleuTolerance);
  EXPECT_NEAR(score(BleuSmoothing::kFloor, 0.5), 100 * std::pow(3. / 5 * 0.5 / 4 * 0.5 / 3 * 0.5 / 2, 0.25),
              kBleuTolerance);
  EXPECT_NEAR(score(BleuSmoothing::kAddK), 100 * std::pow(3. / 5 * 1 / 5 * 1 / 4 * 1 / 3, 0.25), kBleuTolerance);
  EXPECT_NEAR(score(BleuSmoothing::kAddK, 2), 100 * std::pow(3. / 5 * 2 / 6 * 2 / 5 * 2 / 4, 0.25), kBleuTolerance);
  EXPECT_EQ(score(BleuSmoothing::kNone), 0);
}

TEST(Bleu, EffectiveOrderLeavesOutOrdersThatTheHypothesisIsTooShortFor) {
  EXPECT_EQ(bleu_of("a b", {"a b"}).score, 0);
  EXPECT_NEAR(bleu_of("a b", {"a b"}, {.effective_order = true}).score, 100, kBleuTolerance);
}

TEST(Bleu, SumsCountsOverTheCorpus) {
  const std::vector<std::string> hypotheses = {"a b c d e", "x y", ""};
  const std::vector<std::vector<std::string>> references = {{"a b c d f", "y x", "z"}};
  const BleuScore bleu = corpus_bleu(hypotheses, references);
  EXPECT_EQ(bleu.counts, (Counts{6, 3, 2, 1}));
  EXPECT_EQ(bleu.totals, (Counts{7, 5, 3, 2}));
  EXPECT_EQ(bleu.hypothesis_length, 7u);
  EXPECT_EQ(bleu.reference_length, 8u);
  EXPECT_NEAR(bleu.score, 100 * std::exp(1 - 8. / 7) * std::pow(6. / 7 * 3 / 5 * 2 / 3 * 1 / 2, 0.25), kBleuTolerance);
}

TEST(Bleu, LowercaseIgnoresCase) {
  EXPECT_NEAR(bleu_of("ÜBER Den Wolken Bei", {"über den wolken bei"}, {.lowercase = true}).score, 100, kBleuTolerance);
  EXPECT_EQ(bleu_of("ÜBER Den Wolken Bei", {"über den wolken bei"}).score, 0);
}

TEST(Bleu, EmptySidesScoreNothing) {
  const BleuScore empty = bleu_of("", {"a b"});
  EXPECT_EQ(empty.score, 0);
  EXPECT_EQ(empty.brevity_penalty, 0);
  EXPECT_EQ(bleu_of("a b", {""}).score, 0);
  EXPECT_EQ(bleu_of("", {""}).score, 0);
}

TEST(Bleu, SignatureNamesTheOptions) {
  EXPECT_EQ(
      bleu_of("a", {"a", "b"}, {.tokenizer = Tokenizer::kZh, .lowercase = true, .effective_order = true}).signature,
      "nrefs:2|case:lc|eff:yes|tok:zh|smooth:exp");
}

TEST(Bleu, RefusesOptionsOutOfRangeAndMissingReferences) {
  EXPECT_THROW(bleu_of("a", {"a"}, {.max_order = 0}), Error);
  EXPECT_THROW(bleu_of("a", {"a"}, {.smoothing = BleuSmoothing::kFloor, .smoothing_value = -1}), Error);
  EXPECT_THROW(bleu_of("a", {}), Error);
}

}  // namespace
}  // namespace polymoe
