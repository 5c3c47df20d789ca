#pragma once

#include <vector>

#include <ATen/core/Tensor.h>

#include "polymoe/decode/phrases.h"
#include "polymoe/decode/search_sentence.h"

namespace polymoe {

/// Finds for each sentence with phrases the ways to go on with them, with their scores from `log_probabilities`
/// [hypotheses, vocabulary], in which nothing is held back yet. `beams`: hypotheses of a sentence.
void find_phrase_steps(const at::Tensor& log_probabilities, std::int64_t beams, std::vector<SearchSentence>& sentences);

/// The most probable way to go on for each hypothesis, [hypotheses].
std::vector<Candidate> best_of_each_row(const at::Tensor& log_probabilities, std::int64_t beams,
                                        const std::vector<SearchSentence>& sentences);

/// Of a sentence's `candidates` and its steps that go on with phrases, those that the beam goes on with, behind all
/// that end with `end`.
std::vector<Candidate> allocate_sentence(const SearchSentence& sentence, const std::vector<Candidate>& candidates,
                                         std::int64_t beams, std::int64_t end);

}  // namespace polymoe
