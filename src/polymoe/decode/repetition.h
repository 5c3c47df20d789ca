#pragma once

#include <cstdint>
#include <vector>

#include <ATen/core/Tensor.h>

namespace polymoe {

struct DecodeOptions;

/// What one row of a search has so far, and what it translates.
struct SearchRow {
  const std::vector<std::int32_t>* ids;
  const std::vector<std::int32_t>* source;
};

/// The ids, each once, that would complete an n-gram of `row.ids` once more if they came next. n at least 1. N-grams of
/// the source are left out: long numbers, rows of dashes and lists of placeholders must be written as they are.
std::vector<std::int32_t> completes_known_ngram(const SearchRow& row, std::int64_t n);

/// Makes repetition less likely or impossible, as decode.repetition-penalty and decode.no-repeat-ngram ask for.
/// `log_probabilities` [rows, vocabulary], float. The log probability of an id that a row has is multiplied by the
/// penalty (Keskar et al. 2019, for log probabilities instead of logits).
void hold_back_repetition(const at::Tensor& log_probabilities, const std::vector<SearchRow>& rows,
                          const DecodeOptions& options);

}  // namespace polymoe
