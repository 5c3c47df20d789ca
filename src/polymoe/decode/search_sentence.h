#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include "polymoe/decode/beam_search.h"
#include "polymoe/decode/phrases.h"

namespace polymoe {

/// The score of what cannot be, or not go on.
inline constexpr float kImpossible = -std::numeric_limits<float>::infinity();

/// A sentence that is still being translated. Its hypotheses are rows that lie together, in the order of the sentences.
struct SearchSentence {
  std::size_t index = 0;                              ///< in the input
  const std::vector<std::int32_t>* source = nullptr;  ///< tag and end mark too
  const Demands* demands = nullptr;
  std::int64_t max_length = 0;                   ///< tokens, the end mark not counted
  std::vector<std::vector<std::int32_t>> beams;  ///< live hypotheses
  std::vector<float> scores;                     ///< summed log probabilities, kImpossible for unused beams
  std::vector<std::vector<float>> token_scores;  ///< [beams][tokens], where they are asked for
  std::vector<PhraseProgress> progress;          ///< [beams], where there are phrases
  std::vector<Candidate> phrase_steps;           ///< of this step: what goes on with phrases, held back or not
  std::vector<Hypothesis> finished;
  std::size_t known = 0;  ///< tokens that all hypotheses begin with, as far as SearchWatch was told

  bool wants_token_scores() const { return demands != nullptr && demands->token_scores; }
  bool has_phrases() const { return !progress.empty(); }
  /// How many tokens of phrases a hypothesis lacks.
  std::size_t left(std::size_t beam) const { return has_phrases() ? progress[beam].left : 0; }
};

}  // namespace polymoe
