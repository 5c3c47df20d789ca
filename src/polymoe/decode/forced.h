#pragma once

#include <cstdint>
#include <vector>

#include "polymoe/inference/decoding_model.h"

namespace polymoe {

/// A source, ids with tags and end marks, and a translation of it, without.
struct ForcedTarget {
  std::vector<std::int32_t> source;
  std::vector<std::int32_t> target;
};

/// The log probability of each token of the targets, and of the end mark `end` behind each, when the model is made to
/// write them: from `start` on, behind the ids `head`, whose own are left out.
std::vector<std::vector<float>> forced_scores(DecodingModel& model, const std::vector<ForcedTarget>& batch,
                                              std::int32_t start, const std::vector<std::int32_t>& head,
                                              std::int32_t end);

/// How much each token of the targets attends to each token of the source in the step that writes it, [target tokens]
/// [source tokens]. The model must give attention.
using AttentionRows = std::vector<std::vector<float>>;
std::vector<AttentionRows> forced_attention(DecodingModel& model, const std::vector<ForcedTarget>& batch,
                                            std::int32_t start, const std::vector<std::int32_t>& head);

}  // namespace polymoe
