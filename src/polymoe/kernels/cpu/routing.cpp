#include "polymoe/kernels/cpu/routing.h"

#include <algorithm>
#include <utility>

#include "polymoe/kernels/routing_rank.h"

namespace polymoe::kernels {
namespace {

using Rank = std::pair<std::uint64_t, std::int64_t>;  // the assignment breaks ties

// Leaves the `capacity` assignments that stay in `members`, in token order.
void limit_expert(std::vector<std::int64_t>& members, std::int64_t capacity, const TokenRanges& tokens,
                  const TokenSelection& selection, std::vector<Rank>& ranks) {
  ranks.clear();
  for (const std::int64_t assignment : members) {
    ranks.emplace_back(routing_rank(assignment, tokens, selection), assignment);
  }
  std::nth_element(ranks.begin(), ranks.begin() + capacity, ranks.end());
  members.clear();
  for (std::int64_t i = 0; i < capacity; ++i) members.push_back(ranks[static_cast<std::size_t>(i)].second);
  std::sort(members.begin(), members.end());
}

}  // namespace

RoutingPlan plan_routing(const std::int64_t* expert_ids, const TokenRanges& tokens, std::int64_t experts,
                         std::int64_t capacity, const TokenSelection& selection) {
  RoutingPlan plan;
  plan.experts = experts;
  plan.assigned.assign(static_cast<std::size_t>(experts), 0);
  const std::int64_t assignments = tokens.assignments;
  for (std::int64_t a = 0; a < assignments; ++a) {
    if (expert_ids[a] >= 0) ++plan.assigned[static_cast<std::size_t>(expert_ids[a])];
  }

  // Counting sort: assignments of one expert together, in token order.
  std::vector<std::int64_t> begin(static_cast<std::size_t>(experts) + 1, 0);
  for (std::size_t e = 0; e < static_cast<std::size_t>(experts); ++e) begin[e + 1] = begin[e] + plan.assigned[e];
  std::vector<std::int64_t> sorted(static_cast<std::size_t>(begin.back()));
  std::vector<std::int64_t> next(begin.begin(), begin.end() - 1);
  for (std::int64_t a = 0; a < assignments; ++a) {
    if (expert_ids[a] < 0) continue;
    sorted[static_cast<std::size_t>(next[static_cast<std::size_t>(expert_ids[a])]++)] = a;
  }

  plan.expert_begin.assign(1, 0);
  plan.slot_of.assign(static_cast<std::size_t>(assignments), -1);
  plan.slot_token.reserve(static_cast<std::size_t>(assignments));
  std::vector<std::int64_t> members;
  std::vector<Rank> ranks;
  for (std::size_t e = 0; e < static_cast<std::size_t>(experts); ++e) {
    members.assign(sorted.begin() + begin[e], sorted.begin() + begin[e + 1]);
    if (capacity > 0 && plan.assigned[e] > capacity) limit_expert(members, capacity, tokens, selection, ranks);
    for (const std::int64_t assignment : members) {
      plan.slot_of[static_cast<std::size_t>(assignment)] = plan.slots();
      plan.slot_token.push_back(tokens.token_of(assignment));
    }
    plan.expert_begin.push_back(plan.slots());
  }
  return plan;
}

}  // namespace polymoe::kernels
