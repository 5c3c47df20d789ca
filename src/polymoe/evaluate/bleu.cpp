#include "polymoe/metrics.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "polymoe/base/error.h"
#include "polymoe/base/utf8.h"
#include "polymoe/evaluate/ngrams.h"
#include "polymoe/evaluate/segments.h"
#include "polymoe/evaluate/statistics.h"
#include "polymoe/evaluate/tokenize.h"
#include "polymoe/text/unicode.h"

namespace polymoe {
namespace {

/// Counts the matches of one segment after another.
class BleuCounter {
 public:
  explicit BleuCounter(const BleuOptions& options) : options_(options) {
    if (options.max_order == 0) fail("BLEU needs a largest n-gram order of at least 1");
    if (options.smoothing_value && !(*options.smoothing_value >= 0)) fail("BLEU's smoothing value is below 0");
    start_anew();
  }

  void start_anew() {
    result = {};
    result.counts.resize(options_.max_order);
    result.totals.resize(options_.max_order);
  }

  void add(std::string_view hypothesis, std::span<const std::string_view> references) {
    set_words(hypothesis, hypothesis_);
    references_.resize(references.size());
    for (std::size_t r = 0; r < references.size(); ++r) set_words(references[r], references_[r]);
    result.hypothesis_length += hypothesis_.words.size();
    result.reference_length += closest_length();
    for (std::size_t order = 1; order <= options_.max_order; ++order) {
      lengthen_ngrams(hypothesis_.words, order, hypothesis_.ngrams);
      count_references(order);
      result.totals[order - 1] += hypothesis_.ngrams.size();
      result.counts[order - 1] += take_matches(hypothesis_.ngrams, most_);
    }
  }

  BleuScore result;  ///< lengths, counts and totals so far

 private:
  struct Side {
    std::vector<std::uint64_t> words;   // hashes
    std::vector<std::uint64_t> ngrams;  // of the order at hand
  };

  void set_words(std::string_view segment, Side& side) const {
    std::u32string text = decode_utf8(segment);
    if (options_.lowercase) text = to_lower(text);
    const std::u32string tokens = separate_words(strip_end(text));
    side.words.clear();
    for (const std::u32string_view word : split_words(tokens)) side.words.push_back(hash_word(word));
  }

  std::u32string separate_words(std::u32string_view text) const {
    if (!options_.custom_tokenizer) return tokenize(text, options_.tokenizer);
    return decode_utf8(options_.custom_tokenizer->separate(encode_utf8(text)));
  }

  std::uint64_t closest_length() const {
    const std::uint64_t length = hypothesis_.words.size();
    std::uint64_t closest = 0, least = std::numeric_limits<std::uint64_t>::max();
    for (const Side& reference : references_) {
      const std::uint64_t candidate = reference.words.size();
      const std::uint64_t distance = candidate > length ? candidate - length : length - candidate;
      if (distance < least || (distance == least && candidate < closest)) {
        least = distance;
        closest = candidate;
      }
    }
    return closest;
  }

  /// Sets most_ to how often each n-gram occurs in the reference that has it most often.
  void count_references(std::size_t order) {
    std::size_t ngrams = 0;
    for (Side& reference : references_) {
      lengthen_ngrams(reference.words, order, reference.ngrams);
      ngrams += reference.ngrams.size();
    }
    most_.reset(ngrams);
    for (const Side& reference : references_) {
      one_.reset(reference.ngrams.size());
      for (const std::uint64_t ngram : reference.ngrams) {
        std::uint32_t& most = most_.count(ngram);
        most = std::max(most, ++one_.count(ngram));
      }
    }
  }

  const BleuOptions& options_;
  Side hypothesis_;
  std::vector<Side> references_;
  NgramCounts most_, one_;
};

double default_smoothing_value(BleuSmoothing smoothing) { return smoothing == BleuSmoothing::kFloor ? 0.1 : 1; }

std::string signature(std::size_t references, const BleuOptions& options) {
  const double value = options.smoothing_value.value_or(default_smoothing_value(options.smoothing));
  std::string smoothing;
  switch (options.smoothing) {
    case BleuSmoothing::kExponential:
      smoothing = "exp";
      break;
    case BleuSmoothing::kFloor:
      smoothing = fmt::format("floor[{:.2f}]", value);
      break;
    case BleuSmoothing::kAddK:
      smoothing = fmt::format("add-k[{:.2f}]", value);
      break;
    case BleuSmoothing::kNone:
      smoothing = "none";
      break;
  }
  return fmt::format("nrefs:{}|case:{}|eff:{}|tok:{}|smooth:{}", references, options.lowercase ? "lc" : "mixed",
                     options.effective_order ? "yes" : "no",
                     options.custom_tokenizer ? options.custom_tokenizer->name : tokenizer_name(options.tokenizer),
                     smoothing);
}

/// Precisions and score from lengths, counts and totals.
BleuScore finish(BleuScore bleu, std::size_t references, const BleuOptions& options) {
  bleu.signature = signature(references, options);
  bleu.precisions.assign(options.max_order, 0.0);
  if (bleu.hypothesis_length < bleu.reference_length) {
    const double ratio = static_cast<double>(bleu.reference_length) / static_cast<double>(bleu.hypothesis_length);
    bleu.brevity_penalty = bleu.hypothesis_length == 0 ? 0 : std::exp(1 - ratio);
  }
  if (std::all_of(bleu.counts.begin(), bleu.counts.end(), [](std::uint64_t count) { return count == 0; })) return bleu;

  const double value = options.smoothing_value.value_or(default_smoothing_value(options.smoothing));
  double halvings = 1;
  std::size_t orders = options.max_order;
  for (std::size_t n = 0; n < options.max_order; ++n) {
    const double added = options.smoothing == BleuSmoothing::kAddK && n > 0 ? value : 0;
    const double count = static_cast<double>(bleu.counts[n]) + added;
    const double total = static_cast<double>(bleu.totals[n]) + added;
    if (total == 0) break;
    if (options.effective_order) orders = n + 1;
    if (count > 0) {
      bleu.precisions[n] = 100 * count / total;
    } else if (options.smoothing == BleuSmoothing::kExponential) {
      halvings *= 2;
      bleu.precisions[n] = 100 / (halvings * total);
    } else if (options.smoothing == BleuSmoothing::kFloor) {
      bleu.precisions[n] = 100 * value / total;
    }
  }
  double log_sum = 0;  // -inf where a precision is 0: the score is 0
  for (std::size_t n = 0; n < orders; ++n) log_sum += std::log(bleu.precisions[n]);
  bleu.score = bleu.brevity_penalty * std::exp(log_sum / static_cast<double>(orders));
  return bleu;
}

}  // namespace

SegmentStatistics bleu_statistics(std::span<const std::string> hypotheses,
                                  std::span<const std::vector<std::string>> reference_streams,
                                  const BleuOptions& options) {
  SegmentStatistics statistics;
  statistics.width = 2 + 2 * options.max_order;
  statistics.score = [options](std::span<const double> sums) {
    std::vector<std::uint64_t> counts(sums.begin(), sums.end());  // each a whole number
    const auto totals = counts.begin() + 2 + static_cast<std::ptrdiff_t>(options.max_order);
    BleuScore bleu;
    bleu.hypothesis_length = counts[0];
    bleu.reference_length = counts[1];
    bleu.counts.assign(counts.begin() + 2, totals);
    bleu.totals.assign(totals, counts.end());
    return finish(std::move(bleu), 1, options).score;
  };
  BleuCounter counter(options);
  for_each_segment(hypotheses, reference_streams, [&](const auto& hypothesis, const auto& references) {
    counter.start_anew();
    counter.add(hypothesis, references);
    const BleuScore& segment = counter.result;
    std::vector<double>& values = statistics.values;
    values.push_back(static_cast<double>(segment.hypothesis_length));
    values.push_back(static_cast<double>(segment.reference_length));
    values.insert(values.end(), segment.counts.begin(), segment.counts.end());
    values.insert(values.end(), segment.totals.begin(), segment.totals.end());
  });
  return statistics;
}

BleuScore v0::corpus_bleu(std::span<const std::string> hypotheses,
                          std::span<const std::vector<std::string>> reference_streams, const BleuOptions& options) {
  BleuCounter counter(options);
  for_each_segment(hypotheses, reference_streams,
                   [&](const auto& hypothesis, const auto& references) { counter.add(hypothesis, references); });
  return finish(std::move(counter.result), reference_streams.size(), options);
}

BleuScore v0::sentence_bleu(std::string_view hypothesis, std::span<const std::string> references,
                            const BleuOptions& options) {
  if (references.empty()) fail("there is no reference to compare the hypothesis with");
  BleuCounter counter(options);
  const std::vector<std::string_view> views(references.begin(), references.end());
  counter.add(hypothesis, views);
  return finish(std::move(counter.result), references.size(), options);
}

}  // namespace polymoe
