#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "config/options.h"
#include "inference/decoding_model.h"

namespace polymoe {

/// One finished translation.
struct Hypothesis {
  std::vector<std::int32_t> ids;  ///< without the tag it starts from and without the end mark
  double score = 0.0;             ///< log probability / length^length-penalty, end mark and forced ids counted; with
                                  ///< a repetition penalty, what that makes of the log probability
  bool cut_off = false;           ///< it has no end mark: it reached the greatest length
};

/// What beam search must know of the vocabulary.
struct SearchSymbols {
  std::int64_t end = 0;
  std::vector<std::int64_t> forbidden;  ///< ids that are never produced (padding, tags, ...)
  std::vector<std::int32_t> forced;     ///< what every hypothesis begins with, behind its first id; no part of results
};

/// Makes a tensor in host memory the same in all processes that compute with the model together: what each of them
/// decides from its own floats, they might decide differently. A process on its own needs none.
using Agreement = std::function<void(const at::Tensor& decision)>;

/// Beam search over all sentences of `sources` at once, ids with tags and end marks. `first_ids` [sentences] is what
/// each hypothesis starts from. Returns up to decode.n-best hypotheses for each sentence, best first; a sentence leaves
/// the batch as soon as it has beam-size finished hypotheses and n-best of them score no worse than the best live one
/// does so far.
std::vector<std::vector<Hypothesis>> beam_search(DecodingModel& model,
                                                 const std::vector<std::vector<std::int32_t>>& sources,
                                                 const std::vector<std::int32_t>& first_ids,
                                                 const SearchSymbols& symbols, const DecodeOptions& options,
                                                 const Agreement& agree = {});

}  // namespace polymoe
