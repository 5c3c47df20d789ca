#pragma once

#include <cstdint>
#include <vector>

#include "config/options.h"
#include "nn/torch_headers.h"

namespace polymoe {

/// The ids, each once, that would complete an n-gram of `ids` once more if they came next. n at least 1.
std::vector<std::int32_t> completes_known_ngram(const std::vector<std::int32_t>& ids, std::int64_t n);

/// Makes repetition less likely or impossible, as decode.repetition-penalty and decode.no-repeat-ngram ask for.
/// `log_probabilities` [rows, vocabulary], float; `rows`: what each row has so far. The log probability of an id that a
/// row has is multiplied by the penalty (Keskar et al. 2019, for log probabilities instead of logits).
void hold_back_repetition(const at::Tensor& log_probabilities,
                          const std::vector<const std::vector<std::int32_t>*>& rows, const DecodeOptions& options);

}  // namespace polymoe
