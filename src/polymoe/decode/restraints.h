#pragma once

#include <cstdint>
#include <vector>

#include <ATen/core/Tensor.h>

#include "polymoe/decode/beam_search.h"
#include "polymoe/decode/search_sentence.h"

namespace polymoe {

struct DecodeOptions;

/// What must not come next: ids that are never produced, an end that is too early, repetition, what breaks into a
/// placeholder, what would complete a forbidden phrase, and all but the next id of a prefix.
class Restraints {
 public:
  /// Both must outlive it.
  Restraints(const SearchSymbols& symbols, const DecodeOptions& options) : symbols_(symbols), options_(options) {}

  /// Makes it impossible in `log_probabilities` [hypotheses of all sentences, vocabulary], which are those of what
  /// comes behind `length` tokens.
  void hold_back(at::Tensor& log_probabilities, const std::vector<SearchSentence>& sentences, std::size_t length);

 private:
  void hold_back_end(const at::Tensor& log_probabilities, const std::vector<SearchSentence>& sentences) const;
  void keep_phrases_apart(const at::Tensor& log_probabilities, const std::vector<SearchSentence>& sentences) const;
  static void forbid_phrases(const at::Tensor& log_probabilities, const std::vector<SearchSentence>& sentences);
  bool shows_enough(const std::vector<std::int32_t>& ids) const;

  const SearchSymbols& symbols_;
  const DecodeOptions& options_;
  at::Tensor forbidden_;  // ids, on the device of the log probabilities
};

}  // namespace polymoe
