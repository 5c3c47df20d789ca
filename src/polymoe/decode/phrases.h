#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

/// Lexical constraints: phrases that a translation must hold. The beam is divided by how much of them a hypothesis has
/// met (Post & Vilar 2018, "Fast lexically constrained decoding with dynamic beam allocation for neural machine
/// translation"); a phrase may have several forms, of which one will do (Hu et al. 2019, "Improved lexically
/// constrained decoding for translation and monolingual rewriting").
namespace polymoe {

/// A phrase that a translation must hold, in any of its forms; no form is empty.
struct Phrase {
  static constexpr std::size_t kNone = static_cast<std::size_t>(-1);

  std::vector<std::vector<std::int32_t>> forms;
  /// By form, or empty: the number of its tokens behind which nothing but the rest of it may come; 0: none.
  std::vector<std::size_t> bound = {};
  std::size_t after = kNone;    ///< the phrase that must be met before it
  std::size_t opening = kNone;  ///< of a closing tag, its opening one: no other may then be open that was opened later
  bool whole = false;           ///< no word goes on with it
  bool given = false;           ///< the prefix holds it
};

/// A phrase where a hypothesis holds it.
struct PhrasePlace {
  std::size_t phrase = 0, form = 0;
  std::size_t begin = 0, end = 0;  ///< tokens
};

/// How far a hypothesis has come with the phrases of its sentence.
struct PhraseProgress {
  std::vector<bool> met;                ///< [phrases]
  std::vector<PhrasePlace> placements;  ///< of those met that were not given, in their order
  std::size_t prefix = 0;               ///< tokens, which those with Phrase::bound have no part in
  std::size_t left = 0;                 ///< fewest tokens with which all phrases would be met
  bool bound = false;                   ///< it has to go on with a phrase
};

/// Where every hypothesis begins, behind whose prefix of so many tokens it goes on by itself.
PhraseProgress begin_phrases(const std::vector<Phrase>& phrases, std::size_t prefix = 0);

bool all_met(const PhraseProgress& progress);

/// `progress` after one more token, the last one of `ids`. Of phrases that it completes, the first counts. What was
/// begun and is not gone on with counts no more.
PhraseProgress continue_phrases(const std::vector<Phrase>& phrases, const PhraseProgress& progress,
                                const std::vector<std::int32_t>& ids);

/// The ids, each once, with which a hypothesis goes on with a phrase that it has begun or begins another.
std::vector<std::int32_t> next_of_phrases(const std::vector<Phrase>& phrases, const PhraseProgress& progress,
                                          const std::vector<std::int32_t>& ids);

/// How many hypotheses of a sentence with phrases are kept where `beams` are of others: one more for each token to
/// meet, so that a good one may wait for the right place; no more than kMostPhraseBeams, unless `beams` is.
std::int64_t beams_with_phrases(const std::vector<Phrase>& phrases, std::int64_t beams);
inline constexpr std::int64_t kMostPhraseBeams = 16;

/// One way to go on: hypothesis `beam` of a sentence with token `id`.
struct Candidate {
  std::int64_t beam;
  std::int64_t id;
  float score;  ///< summed log probabilities
};

/// A candidate, and how many tokens of phrases it would leave unmet.
struct PhraseCandidate {
  Candidate candidate;
  std::size_t left;
};

/// Divides a beam evenly among the numbers of tokens left, 0 to `most_left`; what one has no use for goes to the next
/// larger one, and at last back. Returns the best of each, the best first.
std::vector<Candidate> allocate_beams(std::vector<PhraseCandidate> pool, std::size_t beams, std::size_t most_left);

}  // namespace polymoe
