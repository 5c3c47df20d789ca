#include "polymoe/metrics.h"

#include <algorithm>
#include <cstdint>

#include "polymoe/base/error.h"
#include "polymoe/base/utf8.h"
#include "polymoe/evaluate/ngrams.h"
#include "polymoe/evaluate/segments.h"
#include "polymoe/evaluate/statistics.h"
#include "polymoe/text/unicode.h"

namespace polymoe {
namespace {

/// N-grams of one order: in the hypothesis, in the reference, in both.
struct OrderCounts {
  std::uint64_t hypothesis = 0, reference = 0, matches = 0;
};

bool is_ascii_punctuation(char32_t c) {
  return (c >= '!' && c <= '/') || (c >= ':' && c <= '@') || (c >= '[' && c <= '`') || (c >= '{' && c <= '~');
}

/// The words of chrF++: one punctuation mark at a word's end, else one at its start, is a word of its own.
void append_words(std::u32string_view text, std::vector<std::uint64_t>& hashes) {
  for (const std::u32string_view word : split_words(text)) {
    std::size_t cut = 0;
    if (word.size() > 1 && is_ascii_punctuation(word.back())) {
      cut = word.size() - 1;
    } else if (word.size() > 1 && is_ascii_punctuation(word.front())) {
      cut = 1;
    }
    if (cut > 0) hashes.push_back(hash_word(word.substr(0, cut)));
    hashes.push_back(hash_word(word.substr(cut)));
  }
}

double f_score(std::span<const OrderCounts> orders, const ChrfOptions& options) {
  constexpr double kEpsilon = 1e-16;
  const double factor = static_cast<double>(options.beta) * options.beta;
  double f_sum = 0, precision_sum = 0, recall_sum = 0;
  int present = 0;
  for (const OrderCounts& order : orders) {
    const auto matches = static_cast<double>(order.matches);
    const double precision = order.hypothesis > 0 ? matches / static_cast<double>(order.hypothesis) : kEpsilon;
    const double recall = order.reference > 0 ? matches / static_cast<double>(order.reference) : kEpsilon;
    const double denominator = factor * precision + recall;
    f_sum += denominator > 0 ? (1 + factor) * precision * recall / denominator : kEpsilon;
    if (order.hypothesis == 0 || order.reference == 0) continue;
    precision_sum += precision;
    recall_sum += recall;
    ++present;
  }
  if (options.eps_smoothing) return 100 * f_sum / static_cast<double>(orders.size());
  if (precision_sum + recall_sum == 0) return 0;
  const double precision = precision_sum / present, recall = recall_sum / present;
  return 100 * ((1 + factor) * precision * recall / (factor * precision + recall));
}

/// Counts the matches of one segment after another.
class ChrfCounter {
 public:
  explicit ChrfCounter(const ChrfOptions& options) : options_(options) {
    if (options.char_order + options.word_order == 0) fail("chrF needs a character or word order of at least 1");
    if (options.beta == 0) fail("chrF's beta must be at least 1");
    totals_.resize(options.char_order + options.word_order);
  }

  void add(std::string_view hypothesis, std::span<const std::string_view> references) {
    set_tokens(hypothesis, hypothesis_);
    double best_score = -1;
    for (const std::string_view reference : references) {
      set_tokens(reference, reference_);
      candidate_.clear();
      compare(hypothesis_.characters, reference_.characters, options_.char_order);
      compare(hypothesis_.words, reference_.words, options_.word_order);
      const double score = f_score(candidate_, options_);
      if (score > best_score) {
        best_score = score;
        best_ = candidate_;
      }
    }
    for (std::size_t i = 0; i < totals_.size(); ++i) {
      totals_[i].hypothesis += best_[i].hypothesis;
      totals_[i].reference += best_[i].reference;
      totals_[i].matches += best_[i].matches;
    }
  }

  /// The counts of the segment added last.
  std::span<const OrderCounts> last() const { return best_; }

  ChrfScore score(std::size_t references) const {
    ChrfScore chrf;
    chrf.score = f_score(totals_, options_);
    chrf.name = fmt::format("chrF{}{}", options_.beta, std::string(options_.word_order, '+'));
    chrf.signature = fmt::format("nrefs:{}|case:{}|eff:{}|nc:{}|nw:{}|space:{}", references,
                                 options_.lowercase ? "lc" : "mixed", options_.eps_smoothing ? "no" : "yes",
                                 options_.char_order, options_.word_order, options_.whitespace ? "yes" : "no");
    return chrf;
  }

 private:
  struct Side {
    std::vector<std::uint64_t> characters, words;
  };

  void set_tokens(std::string_view segment, Side& side) const {
    std::u32string text = decode_utf8(segment);
    if (options_.lowercase) text = to_lower(text);
    side.characters.clear();
    for (const char32_t c : text) {
      if (options_.whitespace || !is_space(c)) side.characters.push_back(c);
    }
    side.words.clear();
    if (options_.word_order > 0) append_words(text, side.words);
  }

  /// Appends the counts of the orders 1 to max_order to candidate_.
  void compare(std::span<const std::uint64_t> hypothesis, std::span<const std::uint64_t> reference,
               std::size_t max_order) {
    for (std::size_t order = 1; order <= max_order; ++order) {
      lengthen_ngrams(hypothesis, order, hypothesis_ngrams_);
      lengthen_ngrams(reference, order, reference_ngrams_);
      counts_.reset(reference_ngrams_.size());
      for (const std::uint64_t ngram : reference_ngrams_) ++counts_.count(ngram);
      // A hypothesis without anything to compare it with does not count against the precision.
      candidate_.push_back({reference_ngrams_.empty() ? 0 : hypothesis_ngrams_.size(), reference_ngrams_.size(),
                            take_matches(hypothesis_ngrams_, counts_)});
    }
  }

  const ChrfOptions& options_;
  Side hypothesis_, reference_;
  std::vector<std::uint64_t> hypothesis_ngrams_, reference_ngrams_;
  NgramCounts counts_;
  std::vector<OrderCounts> candidate_, best_, totals_;
};

}  // namespace

SegmentStatistics chrf_statistics(std::span<const std::string> hypotheses,
                                  std::span<const std::vector<std::string>> reference_streams,
                                  const ChrfOptions& options) {
  SegmentStatistics statistics;
  statistics.width = 3 * (options.char_order + options.word_order);
  statistics.score = [options](std::span<const double> sums) {
    std::vector<OrderCounts> orders;
    for (std::size_t k = 0; k < sums.size(); k += 3) {
      const auto count = [&](std::size_t i) { return static_cast<std::uint64_t>(sums[k + i]); };
      orders.push_back({count(0), count(1), count(2)});
    }
    return f_score(orders, options);
  };
  ChrfCounter counter(options);
  for_each_segment(hypotheses, reference_streams, [&](const auto& hypothesis, const auto& references) {
    counter.add(hypothesis, references);
    for (const OrderCounts& order : counter.last()) {
      for (const std::uint64_t count : {order.hypothesis, order.reference, order.matches}) {
        statistics.values.push_back(static_cast<double>(count));
      }
    }
  });
  return statistics;
}

ChrfScore v0::corpus_chrf(std::span<const std::string> hypotheses,
                          std::span<const std::vector<std::string>> reference_streams, const ChrfOptions& options) {
  ChrfCounter counter(options);
  for_each_segment(hypotheses, reference_streams,
                   [&](const auto& hypothesis, const auto& references) { counter.add(hypothesis, references); });
  return counter.score(reference_streams.size());
}

ChrfScore v0::sentence_chrf(std::string_view hypothesis, std::span<const std::string> references,
                            const ChrfOptions& options) {
  if (references.empty()) fail("there is no reference to compare the hypothesis with");
  ChrfCounter counter(options);
  const std::vector<std::string_view> views(references.begin(), references.end());
  counter.add(hypothesis, views);
  return counter.score(references.size());
}

}  // namespace polymoe
