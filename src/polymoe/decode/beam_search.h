#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <stop_token>
#include <vector>

#include "polymoe/decode/forbidden.h"
#include "polymoe/decode/phrases.h"
#include "polymoe/inference/decoding_model.h"

namespace polymoe {

struct DecodeOptions;

/// One finished translation.
struct Hypothesis {
  std::vector<std::int32_t> ids;  ///< without the tag it starts from and without the end mark
  double score = 0.0;  ///< log probability / length^length-penalty, end mark and forced ids counted; with a repetition
                       ///< penalty, what that makes of the log probability
  bool cut_off = false;                      ///< it has no end mark: it reached the greatest length
  std::size_t unmet = 0;                     ///< phrases that it should hold and does not; none where it is not cut off
  std::vector<float> token_scores = {};      ///< log probability of each id and of the end mark, where asked for
  std::vector<PhrasePlace> placements = {};  ///< where its phrases stand
};

/// What is asked of the translations of one sentence.
struct Demands {
  std::vector<Phrase> phrases = {};             ///< they hold them; the greatest length grows by their tokens
  std::vector<std::int32_t> prefix = {};        ///< they begin with it, which counts in their scores
  std::vector<std::int64_t> banned = {};        ///< ids that only phrases and the prefix may hold
  const ForbiddenPhrases* forbidden = nullptr;  ///< what only phrases and the prefix may make them hold
  std::uint64_t number = 0;                     ///< of samples: tells equal sentences apart
  bool token_scores = false;                    ///< whether the log probability of each token is wanted
};

/// What beam search must know of the vocabulary.
struct SearchSymbols {
  std::int64_t end = 0;
  std::vector<std::int64_t> forbidden;   ///< ids that are never produced (padding, tags, ...)
  std::vector<std::int64_t> word_parts;  ///< ids that go on with a word; none comes right behind a Phrase::whole
  std::vector<std::int32_t> blank;       ///< ids that show nothing; decode.min-length does not count them; sorted
  std::vector<std::int32_t> forced;      ///< what every hypothesis begins with, behind its first id; no part of results
};

/// Makes a tensor in host memory the same in all processes that compute with the model together: what each of them
/// decides from its own floats, they might decide differently. A process on its own needs none.
using Agreement = std::function<void(const at::Tensor& decision)>;

/// Who looks on while a search runs.
struct SearchWatch {
  /// Told of the ids that all hypotheses of a sentence begin with, those that ended too, each time there are more.
  std::function<void(std::size_t sentence, std::span<const std::int32_t> ids)> known = {};
  std::stop_token stop = {};  ///< where it asks to stop, the next step throws Cancelled
};

/// Beam search over all sentences of `sources` at once, ids with tags and end marks. `first_ids` [sentences] is what
/// each hypothesis starts from. Returns decode.n-best hypotheses for each sentence, best first and those that are cut
/// off behind the others; fewer only where no more can be made. A sentence leaves the batch as soon as it has beam-size
/// finished hypotheses and n-best of them score no worse than the best live one does so far; with phrases, as many as
/// the beam's share for each number of tokens met. `demands` [sentences], or empty.
std::vector<std::vector<Hypothesis>> beam_search(DecodingModel& model,
                                                 const std::vector<std::vector<std::int32_t>>& sources,
                                                 const std::vector<std::int32_t>& first_ids,
                                                 const SearchSymbols& symbols, const DecodeOptions& options,
                                                 const Agreement& agree = {}, const std::vector<Demands>& demands = {},
                                                 const SearchWatch& watch = {});

}  // namespace polymoe
