// Random text: no crash, scores within bounds, and what must hold for any text.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "polymoe/base/random.h"
#include "polymoe/base/utf8.h"
#include "polymoe/metrics.h"
#include "polymoe/text/unicode.h"

namespace polymoe {
namespace {

constexpr Tokenizer kTokenizers[] = {Tokenizer::k13a, Tokenizer::kIntl, Tokenizer::kZh, Tokenizer::kChar,
                                     Tokenizer::kNone};

/// exp(log(100)) and sums of ratios are off 100 by a few units in the last place.
constexpr double kRounding = 1e-9;

/// Text from random bytes, from few characters (so that n-grams repeat), or from code points of all planes.
class RandomText {
 public:
  explicit RandomText(std::uint64_t seed) : stream_(seed, fnv1a("metric fuzz")) {}

  std::string next() {
    const std::uint64_t kind = below(3), length = below(60);
    std::string text;
    for (std::uint64_t i = 0; i < length; ++i) {
      if (kind == 0) {
        text += static_cast<char>(below(256));
      } else if (kind == 1) {
        constexpr char32_t kFew[] = U"aB1.,- &;\n\"Σİ中“。😀";
        append_utf8(text, kFew[below(std::size(kFew) - 1)]);
      } else {
        append_utf8(text, static_cast<char32_t>(below(4) == 0 ? below(0xD800) : 0xE000 + below(0x102000)));
      }
    }
    return text;
  }

  std::uint64_t below(std::uint64_t bound) { return stream_.below(index_++, bound); }

 private:
  RandomStream stream_;
  std::uint64_t index_ = 0;
};

bool has_word(const std::string& text) { return !split_words(decode_utf8(text)).empty(); }

TEST(MetricFuzz, ScoresStayWithinBounds) {
  RandomText random(1);
  for (int round = 0; round < 3000; ++round) {
    const std::string hypothesis = random.next();
    const std::vector<std::string> references = {random.next(), random.next()};
    const bool lowercase = random.below(2) == 0, effective = random.below(2) == 0;
    const auto smoothing = static_cast<BleuSmoothing>(random.below(4));
    for (const Tokenizer tokenizer : kTokenizers) {
      const BleuScore bleu = sentence_bleu(
          hypothesis, references,
          {.tokenizer = tokenizer, .lowercase = lowercase, .smoothing = smoothing, .effective_order = effective});
      EXPECT_TRUE(bleu.score >= 0 && bleu.score <= 100 + kRounding) << bleu.score << " for " << hypothesis;
      for (std::size_t n = 0; n < 4; ++n) EXPECT_LE(bleu.counts[n], bleu.totals[n]);
    }
    for (const bool eps : {false, true}) {
      const double chrf =
          sentence_chrf(hypothesis, references, {.word_order = 2, .lowercase = lowercase, .eps_smoothing = eps}).score;
      EXPECT_TRUE(chrf >= 0 && chrf <= 100 + kRounding) << chrf << " for " << hypothesis;
    }
    const TerOptions ter_options = {lowercase, effective, random.below(2) == 0, random.below(2) == 0};
    EXPECT_GE(sentence_ter(hypothesis, references, ter_options).score, 0) << hypothesis;
  }
}

TEST(MetricFuzz, TextScores100AgainstItself) {
  RandomText random(2);
  int scored = 0;
  for (int round = 0; round < 3000; ++round) {
    const std::string text = random.next();
    const std::vector<std::string> references = {random.next(), text};
    if (!has_word(text)) continue;
    for (const Tokenizer tokenizer : kTokenizers) {
      const BleuScore bleu = sentence_bleu(text, references, {.tokenizer = tokenizer, .effective_order = true});
      EXPECT_NEAR(bleu.score, bleu.hypothesis_length > 0 ? 100 : 0, kRounding) << text;
    }
    EXPECT_NEAR(sentence_chrf(text, references).score, 100, kRounding) << text;
    EXPECT_NEAR(sentence_chrf(text, references, {.word_order = 2}).score, 100, kRounding) << text;
    EXPECT_EQ(sentence_ter(text, references).edits, 0u) << text;
    ++scored;
  }
  EXPECT_GT(scored, 2000);
}

TEST(MetricFuzz, MatchesAreTheSameInBothDirections) {
  RandomText random(3);
  int matched = 0;
  for (int round = 0; round < 3000; ++round) {
    const std::vector<std::string> one = {random.next()}, other = {random.next()};
    for (const Tokenizer tokenizer : kTokenizers) {
      const BleuScore forward = sentence_bleu(one[0], other, {.tokenizer = tokenizer});
      const BleuScore backward = sentence_bleu(other[0], one, {.tokenizer = tokenizer});
      EXPECT_EQ(forward.counts, backward.counts);
      EXPECT_EQ(forward.hypothesis_length, backward.reference_length);
      if (forward.counts[1] > 0) ++matched;
    }
    // With beta 1, precision and recall change places.
    const ChrfOptions symmetric = {.word_order = 2, .beta = 1};
    EXPECT_NEAR(sentence_chrf(one[0], other, symmetric).score, sentence_chrf(other[0], one, symmetric).score,
                kRounding);
  }
  EXPECT_GT(matched, 100);  // the texts do have something in common
}

TEST(MetricFuzz, TheOrderOfTheReferencesOfBleuDoesNotMatter) {
  RandomText random(4);
  for (int round = 0; round < 1000; ++round) {
    const std::string hypothesis = random.next(), a = random.next(), b = random.next();
    const BleuOptions options = {.tokenizer = Tokenizer::kChar};
    EXPECT_EQ(sentence_bleu(hypothesis, std::vector<std::string>{a, b}, options).score,
              sentence_bleu(hypothesis, std::vector<std::string>{b, a}, options).score);
  }
}

}  // namespace
}  // namespace polymoe
