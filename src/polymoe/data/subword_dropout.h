#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "polymoe/base/random.h"
#include "polymoe/text/vocabulary.h"

namespace polymoe {

/// Other spellings of a text, so that a model trained on little of it does not come to rely on one: a token becomes two
/// shorter ones at random, and each of these again. Like BPE-dropout (arXiv 1910.13267), which leaves out merges, but
/// of any vocabulary and from ids alone. Only the pieces of the vocabulary say what can be split, not its scores.
class SubwordDropout {
 public:
  /// `rate`: the chance that a token is split, in [0, 1]. Texts do not grow beyond `max_tokens`.
  SubwordDropout(const Vocabulary& vocabulary, double rate, std::int64_t max_tokens);

  /// Splits tokens of `ids`, which decode to the same text as before. A pure function of its arguments.
  void apply(std::vector<std::int32_t>& ids, const RandomStream& random) const;

 private:
  using Halves = std::pair<std::int32_t, std::int32_t>;

  double rate_;
  std::size_t max_tokens_;
  std::vector<std::size_t> first_;  // [size + 1]: where the splits of an id begin in splits_
  std::vector<Halves> splits_;
};

}  // namespace polymoe
