#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "polymoe/config/moe_layers.h"
#include "polymoe/config/words.h"

/// Which experts of a model stay. Layers are those of moe_layers(), in its order.
namespace polymoe {

/// How good each expert of each layer is, [layers][experts]; comparable within a layer, and between layers where a
/// budget is shared out.
using ExpertScores = std::vector<std::vector<double>>;
/// The experts of each layer that stay, in ascending order.
using KeptExperts = std::vector<std::vector<std::int64_t>>;

/// Scores that a seed draws: any expert is as likely to stay as another.
ExpertScores random_scores(const std::vector<MoeLayerSize>& layers, std::uint64_t seed);

/// `counts[i]` experts of layer i, those with the highest scores; of equal ones the first. Throws Error, with the
/// layer, for a count below `least` (model.moe.top-k) or above what there is.
KeptExperts keep_best(const std::vector<MoeLayerSize>& layers, const ExpertScores& scores,
                      const std::vector<std::int64_t>& counts, std::int64_t least);

/// How a budget is shared out over layers.
enum class BudgetSpread {
  kHighest,  ///< to the highest scores of all layers
  kEven      ///< so that each layer keeps as large a part of the sum of its scores: Koishekenov et al. 2023
};
template <>
struct Words<BudgetSpread> {
  static constexpr std::string_view kAll[] = {"highest", "even"};
};

/// How many experts of each layer make up `total`, `least` of each at the least. Throws Error for a budget that is too
/// small for that, or above what there is.
std::vector<std::int64_t> share_budget(const std::vector<MoeLayerSize>& layers, const ExpertScores& scores,
                                       std::int64_t total, std::int64_t least, BudgetSpread spread);

/// Reads lists such as "encoder.layers.1:0,3"; layers that none names keep all their experts. Throws Error for other
/// text, layers and experts that are unknown or given twice, and fewer than `least`.
KeptExperts parse_lists(const std::vector<MoeLayerSize>& layers, const std::vector<std::string>& lists,
                        std::int64_t least);

}  // namespace polymoe
