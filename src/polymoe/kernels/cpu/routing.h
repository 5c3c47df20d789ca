#pragma once

#include <cstdint>
#include <vector>

#include "polymoe/base/random.h"
#include "polymoe/kernels/token_ranges.h"

/// Which assignments of tokens to experts survive the capacity, and where each goes. Works on indices alone; it never
/// builds tokens x experts tables.
namespace polymoe::kernels {

/// What Random Token Selection needs; `enabled` false means first come, first served.
struct TokenSelection {
  bool enabled = false;
  PhiloxKey key{};
};

/// The kept assignments, sorted by expert; within an expert in the order of the tokens (first choices of all tokens
/// before second choices when order decides, see plan_routing).
struct RoutingPlan {
  std::int64_t experts = 0;
  std::vector<std::int64_t> expert_begin;  ///< [experts + 1]; slots of expert e are [begin[e], begin[e + 1])
  std::vector<std::int64_t> slot_token;    ///< [slots]; the token in each slot
  std::vector<std::int64_t> slot_of;       ///< [assignments]; the slot of each, -1 when dropped
  std::vector<std::int64_t> assigned;      ///< [experts]; assignments before dropping, without those to no expert

  std::int64_t slots() const { return static_cast<std::int64_t>(slot_token.size()); }
};

/// Sorts assignments by expert and drops those over capacity.
///   expert_ids [assignments]: the chosen experts, each in [0, experts), of token after token as `tokens` says; -1 for
///     none, which is dropped.
///   capacity: most assignments that an expert keeps; 0 for no limit.
/// An expert over capacity keeps first choices before second ones; of equal choices the first tokens or, with
/// `selection`, a uniformly random subset (Random Token Selection, arXiv 2109.10465).
/// Kept assignments stand in token order either way.
RoutingPlan plan_routing(const std::int64_t* expert_ids, const TokenRanges& tokens, std::int64_t experts,
                         std::int64_t capacity, const TokenSelection& selection);

}  // namespace polymoe::kernels
