#include "polymoe/evaluate/rouge.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <iterator>
#include <utility>

#include "polymoe/base/error.h"
#include "polymoe/base/utf8.h"
#include "polymoe/evaluate/ngrams.h"
#include "polymoe/evaluate/segments.h"
#include "polymoe/evaluate/statistics.h"
#include "polymoe/text/unicode.h"

namespace polymoe {
namespace {

constexpr std::array<std::string_view, 2> kTokenNames = {"ascii", "unicode"};

bool is_ascii_word(char32_t c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }

bool is_unicode_word(char32_t c) {
  if (c < 0x80) return is_ascii_word(c) || (c >= 'A' && c <= 'Z');
  const UnicodeCategory category = unicode_category(c);
  return category != UnicodeCategory::kPunctuation && category != UnicodeCategory::kSymbol && !is_space(c);
}

/// Letters of scripts that write no spaces between words.
bool stands_alone(char32_t c) {
  constexpr std::pair<char32_t, char32_t> kBlocks[] = {
      {0x0E00, 0x0EFF},                                        // Thai, Lao
      {0x1000, 0x109F},                                        // Burmese
      {0x1780, 0x17FF},                                        // Khmer
      {0x2E80, 0x2FDF},                                        // radicals
      {0x3005, 0x3007},                                        // signs that stand for ideographs
      {0x3021, 0x3029},   {0x3038, 0x303B}, {0x3041, 0x312F},  // kana, Bopomofo
      {0x31A0, 0x31FF},   {0x3400, 0x4DBF},                    // ideographs
      {0x4E00, 0x9FFF},   {0xA9E0, 0xA9FF},                    // Burmese
      {0xAA60, 0xAA7F},   {0xF900, 0xFAFF}, {0xFF66, 0xFF9F},  // kana of half the width
      {0x20000, 0x3FFFF},
  };
  return std::any_of(std::begin(kBlocks), std::end(kBlocks),
                     [c](const auto& block) { return block.first <= c && c <= block.second; });
}

std::vector<std::uint64_t> word_hashes(std::string_view segment, RougeTokens tokens) {
  std::vector<std::uint64_t> hashes;
  for (const std::u32string& word : rouge_words(segment, tokens)) hashes.push_back(hash_word(word));
  return hashes;
}

RougeValue value_of(std::uint64_t matches, std::size_t hypothesis, std::size_t reference) {
  RougeValue value;
  if (matches == 0) return value;
  value.precision = 100.0 * static_cast<double>(matches) / static_cast<double>(hypothesis);
  value.recall = 100.0 * static_cast<double>(matches) / static_cast<double>(reference);
  value.f = 2 * value.precision * value.recall / (value.precision + value.recall);
  return value;
}

std::uint64_t common_subsequence(const std::vector<std::uint64_t>& a, const std::vector<std::uint64_t>& b) {
  std::vector<std::uint32_t> longest(b.size() + 1, 0);  // of what was read of a, and the first i words of b
  for (const std::uint64_t word : a) {
    std::uint32_t diagonal = 0;
    for (std::size_t i = 0; i < b.size(); ++i) {
      const std::uint32_t above = longest[i + 1];
      longest[i + 1] = word == b[i] ? diagonal + 1 : std::max(above, longest[i]);
      diagonal = above;
    }
  }
  return longest.back();
}

/// Compares one segment after another.
class Comparison {
 public:
  explicit Comparison(RougeTokens tokens) : tokens_(tokens) {}

  RougeScore operator()(std::string_view hypothesis, std::span<const std::string_view> references) {
    const std::vector<std::uint64_t> own = word_hashes(hypothesis, tokens_);
    RougeScore best;
    for (const std::string_view reference : references) {
      const std::vector<std::uint64_t> other = word_hashes(reference, tokens_);
      take_better(best.rouge1, ngram_value(own, other, 1));
      take_better(best.rouge2, ngram_value(own, other, 2));
      take_better(best.rouge_l, value_of(common_subsequence(own, other), own.size(), other.size()));
    }
    return best;
  }

 private:
  static void take_better(RougeValue& best, const RougeValue& value) {
    if (value.f > best.f) best = value;
  }

  RougeValue ngram_value(const std::vector<std::uint64_t>& own, const std::vector<std::uint64_t>& other,
                         std::size_t order) {
    for (std::size_t n = 1; n <= order; ++n) {
      lengthen_ngrams(own, n, own_ngrams_);
      lengthen_ngrams(other, n, other_ngrams_);
    }
    counts_.reset(other_ngrams_.size());
    for (const std::uint64_t ngram : other_ngrams_) ++counts_.count(ngram);
    return value_of(take_matches(own_ngrams_, counts_), own_ngrams_.size(), other_ngrams_.size());
  }

  RougeTokens tokens_;
  std::vector<std::uint64_t> own_ngrams_, other_ngrams_;
  NgramCounts counts_;
};

}  // namespace

std::string_view rouge_tokens_name(RougeTokens tokens) { return kTokenNames[static_cast<std::size_t>(tokens)]; }

RougeTokens parse_rouge_tokens(std::string_view name) {
  const auto found = std::find(kTokenNames.begin(), kTokenNames.end(), name);
  if (found == kTokenNames.end()) fail("ROUGE has no tokens called '{}'; use ascii or unicode", name);
  return static_cast<RougeTokens>(found - kTokenNames.begin());
}

std::vector<std::u32string> rouge_words(std::string_view segment, RougeTokens tokens) {
  std::vector<std::u32string> words;
  std::u32string word;
  const auto end_word = [&] {
    if (!word.empty()) words.push_back(std::move(word));
    word.clear();
  };
  for (const char32_t c : to_lower(decode_utf8(segment))) {
    const bool apart = tokens == RougeTokens::kUnicode && stands_alone(c);
    const bool in_word = tokens == RougeTokens::kAscii ? is_ascii_word(c) : is_unicode_word(c);
    if (apart || !in_word) end_word();
    if (in_word) word += c;
    if (apart) end_word();
  }
  end_word();
  return words;
}

RougeScore v0::sentence_rouge(std::string_view hypothesis, std::span<const std::string> references,
                              RougeTokens tokens) {
  if (references.empty()) fail("there is no reference to compare the hypothesis with");
  const std::vector<std::string_view> views(references.begin(), references.end());
  return Comparison(tokens)(hypothesis, views);
}

SegmentStatistics rouge_statistics(std::span<const std::string> hypotheses,
                                   std::span<const std::vector<std::string>> reference_streams, RougeTokens tokens,
                                   RougeValue RougeScore::*measure) {
  SegmentStatistics statistics{
      .width = 2, .values = {}, .score = [](std::span<const double> sums) { return sums[0] / sums[1]; }};
  Comparison comparison(tokens);
  for_each_segment(hypotheses, reference_streams, [&](const auto& hypothesis, const auto& references) {
    statistics.values.push_back((comparison(hypothesis, references).*measure).f);
    statistics.values.push_back(1);
  });
  return statistics;
}

RougeScore v0::corpus_rouge(std::span<const std::string> hypotheses,
                            std::span<const std::vector<std::string>> reference_streams, RougeTokens tokens) {
  constexpr RougeValue RougeScore::*kMeasures[] = {&RougeScore::rouge1, &RougeScore::rouge2, &RougeScore::rouge_l};
  constexpr double RougeValue::*kFields[] = {&RougeValue::precision, &RougeValue::recall, &RougeValue::f};
  Comparison comparison(tokens);
  RougeScore sum;
  for_each_segment(hypotheses, reference_streams, [&](const auto& hypothesis, const auto& references) {
    const RougeScore score = comparison(hypothesis, references);
    for (const auto measure : kMeasures) {
      for (const auto field : kFields) (sum.*measure).*field += (score.*measure).*field;
    }
  });
  for (const auto measure : kMeasures) {
    for (const auto field : kFields) (sum.*measure).*field /= static_cast<double>(hypotheses.size());
  }
  return sum;
}

}  // namespace polymoe
