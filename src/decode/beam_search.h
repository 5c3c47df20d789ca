#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "config/options.h"
#include "decode/phrases.h"
#include "inference/decoding_model.h"

namespace polymoe {

/// One finished translation.
struct Hypothesis {
  std::vector<std::int32_t> ids;  ///< without the tag it starts from and without the end mark
  double score = 0.0;             ///< log probability / length^length-penalty, end mark and forced ids counted; with
                                  ///< a repetition penalty, what that makes of the log probability
  bool cut_off = false;           ///< it has no end mark: it reached the greatest length
  std::size_t unmet = 0;          ///< phrases that it should hold and does not; none where it is not cut off
};

/// What is asked of the translations of one sentence.
struct Demands {
  std::vector<Phrase> phrases;  ///< they hold them; the greatest length grows by their tokens
};

/// What beam search must know of the vocabulary.
struct SearchSymbols {
  std::int64_t end = 0;
  std::vector<std::int64_t> forbidden;  ///< ids that are never produced (padding, tags, ...)
  std::vector<std::int32_t> blank;      ///< ids that show nothing; decode.min-length does not count them; sorted
  std::vector<std::int32_t> forced;     ///< what every hypothesis begins with, behind its first id; no part of results
};

/// Makes a tensor in host memory the same in all processes that compute with the model together: what each of them
/// decides from its own floats, they might decide differently. A process on its own needs none.
using Agreement = std::function<void(const at::Tensor& decision)>;

/// Beam search over all sentences of `sources` at once, ids with tags and end marks. `first_ids` [sentences] is what
/// each hypothesis starts from. Returns decode.n-best hypotheses for each sentence, best first and those that are cut
/// off behind the others; fewer only where no more can be made. A sentence leaves the batch as soon as it has beam-size
/// finished hypotheses and n-best of them score no worse than the best live one does so far; with phrases, as many as
/// the beam's share for each number of tokens met. `demands` [sentences], or empty.
std::vector<std::vector<Hypothesis>> beam_search(DecodingModel& model,
                                                 const std::vector<std::vector<std::int32_t>>& sources,
                                                 const std::vector<std::int32_t>& first_ids,
                                                 const SearchSymbols& symbols, const DecodeOptions& options,
                                                 const Agreement& agree = {}, const std::vector<Demands>& demands = {});

}  // namespace polymoe
