#pragma once

#include <cstdint>
#include <string_view>

#include "polymoe/config/words.h"

namespace polymoe {

/// Where translations hold the placeholders, tags and addresses of their sources, each once and as they are.
enum class Protection { kNever, kDocuments, kAlways };
template <>
struct Words<Protection> {
  static constexpr std::string_view kAll[] = {"never", "documents", "always"};
};

/// Which lines are translated sentence by sentence: those that are longer than the model reads, or others too.
enum class SentenceSplit { kNever, kLong, kAlways };
template <>
struct Words<SentenceSplit> {
  static constexpr std::string_view kAll[] = {"never", "long", "always"};
};

/// Beam search, or sampling.
struct DecodeOptions {
  std::int64_t beam_size = 4;                   // hypotheses kept for each sentence
  double length_penalty = 1.0;                  // scores are divided by length^penalty
  std::int64_t n_best = 1;                      // translations of each sentence
  std::int64_t min_length = 1;                  // tokens of a translation at least
  double max_length_factor = 2.0;               // longest output: factor * source tokens + offset
  std::int64_t max_length_offset = 20;          // tokens, see max_length_factor
  std::int64_t max_tokens = 4096;               // source tokens of a batch, padding included
  std::int64_t no_repeat_ngram = 4;             // no n tokens come twice, unless the source has them; 0: off
  double repetition_penalty = 1.0;              // times log probabilities of tokens that are there already; 1: off
  Protection protect = Protection::kDocuments;  // where placeholders are held
  double temperature = 0.0;                     // of sampling; 0: beam search
  std::int64_t top_k = 0;                       // sampling: among so many tokens; 0: all
  double top_p = 1.0;                           // sampling: among tokens that make this share
  std::int64_t seed = 1;                        // of sampling
  SentenceSplit split_sentences = SentenceSplit::kLong;  // which lines are cut into sentences
};

}  // namespace polymoe
