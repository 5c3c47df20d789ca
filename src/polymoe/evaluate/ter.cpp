#include <algorithm>
#include <limits>

#include "polymoe/base/error.h"
#include "polymoe/base/utf8.h"
#include "polymoe/evaluate/edit_rate.h"
#include "polymoe/evaluate/ngrams.h"
#include "polymoe/evaluate/segments.h"
#include "polymoe/evaluate/statistics.h"
#include "polymoe/evaluate/tokenize.h"
#include "polymoe/metrics.h"
#include "polymoe/text/unicode.h"

namespace polymoe {
namespace {

/// One segment's edits to its nearest reference, and the mean length of all.
struct SegmentEdits {
  std::uint64_t edits = std::numeric_limits<std::uint64_t>::max();
  double reference_length = 0;
};

/// The text with single spaces between its words.
std::u32string separate_words(std::u32string_view text, const TerOptions& options) {
  const std::u32string tokens = tokenize_ter(strip_end(text), options);
  std::u32string separated;
  for (const std::u32string_view word : split_words(tokens)) {
    separated.append(separated.empty() ? U"" : U" ").append(word);
  }
  return separated;
}

/// How often a text is cut into words. sacreBLEU cuts references twice, and its scores depend on it: of "it's," the
/// second time makes three words.
enum class Cuts { kOnce, kTwice };

std::vector<std::uint64_t> word_hashes(std::string_view segment, Cuts cuts, const TerOptions& options) {
  std::u32string text = separate_words(decode_utf8(segment), options);
  if (cuts == Cuts::kTwice) text = separate_words(text, options);
  std::vector<std::uint64_t> hashes;
  for (const std::u32string_view word : split_words(text)) hashes.push_back(hash_word(word));
  return hashes;
}

SegmentEdits compare(std::string_view hypothesis, std::span<const std::string_view> references,
                     const TerOptions& options) {
  const std::vector<std::uint64_t> own = word_hashes(hypothesis, Cuts::kOnce, options);
  SegmentEdits least;
  std::uint64_t words = 0;
  for (const std::string_view reference : references) {
    const std::vector<std::uint64_t> other = word_hashes(reference, Cuts::kTwice, options);
    least.edits = std::min(least.edits, count_edits(own, other));
    words += other.size();
  }
  least.reference_length = static_cast<double>(words) / static_cast<double>(references.size());
  return least;
}

double score_of(double edits, double reference_length) {
  if (reference_length > 0) return 100 * (edits / reference_length);
  return edits > 0 ? 100 : 0;
}

std::string signature(std::size_t references, const TerOptions& options) {
  const auto word = [](bool set) { return set ? "yes" : "no"; };
  return fmt::format("nrefs:{}|case:{}|tok:tercom|norm:{}|punct:{}|asian:{}", references,
                     options.case_sensitive ? "mixed" : "lc", word(options.normalized), word(!options.no_punctuation),
                     word(options.asian_support));
}

TerScore finish(std::uint64_t edits, double reference_length, std::size_t references, const TerOptions& options) {
  return {score_of(static_cast<double>(edits), reference_length), edits, reference_length,
          signature(references, options)};
}

}  // namespace

SegmentStatistics ter_statistics(std::span<const std::string> hypotheses,
                                 std::span<const std::vector<std::string>> reference_streams,
                                 const TerOptions& options) {
  SegmentStatistics statistics{
      .width = 2, .values = {}, .score = [](std::span<const double> sums) { return score_of(sums[0], sums[1]); }};
  for_each_segment(hypotheses, reference_streams, [&](const auto& hypothesis, const auto& references) {
    const SegmentEdits segment = compare(hypothesis, references, options);
    statistics.values.push_back(static_cast<double>(segment.edits));
    statistics.values.push_back(segment.reference_length);
  });
  return statistics;
}

TerScore v0::corpus_ter(std::span<const std::string> hypotheses,
                        std::span<const std::vector<std::string>> reference_streams, const TerOptions& options) {
  const std::vector<double> values = ter_statistics(hypotheses, reference_streams, options).values;
  std::uint64_t edits = 0;
  double reference_length = 0;
  for (std::size_t i = 0; i < values.size(); i += 2) {
    edits += static_cast<std::uint64_t>(values[i]);
    reference_length += values[i + 1];
  }
  return finish(edits, reference_length, reference_streams.size(), options);
}

TerScore v0::sentence_ter(std::string_view hypothesis, std::span<const std::string> references,
                          const TerOptions& options) {
  if (references.empty()) fail("there is no reference to compare the hypothesis with");
  const std::vector<std::string_view> views(references.begin(), references.end());
  const SegmentEdits segment = compare(hypothesis, views, options);
  return finish(segment.edits, segment.reference_length, references.size(), options);
}

}  // namespace polymoe
