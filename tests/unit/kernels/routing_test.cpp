#include "polymoe/kernels/cpu/routing.h"

#include <algorithm>
#include <array>
#include <cmath>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace polymoe::kernels {
namespace {

using ::testing::ElementsAre;

constexpr TokenSelection kFirstCome{};

TokenRanges tokens_with(std::int64_t tokens, std::int64_t each) { return TokenRanges::equal(tokens, each); }

TEST(RoutingPlan, SortsTokensByExpertInTheirOrder) {
  const std::array<std::int64_t, 6> ids{2, 0, 2, 1, 0, 2};
  const RoutingPlan plan = plan_routing(ids.data(), tokens_with(6, 1), 4, 0, kFirstCome);
  EXPECT_THAT(plan.expert_begin, ElementsAre(0, 2, 3, 6, 6));
  EXPECT_THAT(plan.slot_token, ElementsAre(1, 4, 3, 0, 2, 5));
  EXPECT_THAT(plan.slot_of, ElementsAre(3, 0, 4, 2, 1, 5));
  EXPECT_THAT(plan.assigned, ElementsAre(2, 1, 3, 0));
}

TEST(RoutingPlan, FirstComeDropsTheLastTokensOfAFullExpert) {
  const std::array<std::int64_t, 5> ids{0, 0, 1, 0, 0};
  const RoutingPlan plan = plan_routing(ids.data(), tokens_with(5, 1), 2, 2, kFirstCome);
  EXPECT_THAT(plan.slot_token, ElementsAre(0, 1, 2));
  EXPECT_THAT(plan.slot_of, ElementsAre(0, 1, 2, -1, -1));
  EXPECT_THAT(plan.assigned, ElementsAre(4, 1));
}

TEST(RoutingPlan, FirstComeServesFirstChoicesBeforeSecondOnes) {
  // Tokens 0 and 1 have expert 0 as their second choice, tokens 2 and 3 as their first: those keep it.
  const std::array<std::int64_t, 8> ids{1, 0, 1, 0, 0, 1, 0, 1};
  const RoutingPlan plan = plan_routing(ids.data(), tokens_with(4, 2), 2, 2, kFirstCome);
  EXPECT_THAT(plan.slot_token, ElementsAre(2, 3, 0, 1));
  EXPECT_THAT(plan.slot_of, ElementsAre(2, -1, 3, -1, 0, -1, 1, -1));
}

TEST(RoutingPlan, RandomSelectionKeepsTokensInOrderAndFillsTheCapacity) {
  std::vector<std::int64_t> ids(50, 0);
  const RoutingPlan plan = plan_routing(ids.data(), tokens_with(50, 1), 3, 20, {true, {7, 9}});
  EXPECT_EQ(plan.slots(), 20);
  EXPECT_TRUE(std::is_sorted(plan.slot_token.begin(), plan.slot_token.end()));
  EXPECT_NE(plan.slot_token.back(), 19) << "the first tokens were kept, not random ones";
  for (std::int64_t slot = 0; slot < plan.slots(); ++slot) {
    EXPECT_EQ(plan.slot_of[static_cast<std::size_t>(plan.slot_token[static_cast<std::size_t>(slot)])], slot);
  }
}

TEST(RoutingPlan, RandomSelectionIsUniformOverTokens) {
  // 40 tokens, 10 places, 4000 draws: each token is kept 1000 times in the mean, standard deviation 27.4. Six of those
  // allow for 40 comparisons with a chance of failure below 1e-7.
  std::vector<std::int64_t> ids(40, 0);
  std::vector<int> kept(40, 0);
  for (std::uint32_t draw = 0; draw < 4000; ++draw) {
    const RoutingPlan plan = plan_routing(ids.data(), tokens_with(40, 1), 1, 10, {true, {draw, 1}});
    for (const std::int64_t token : plan.slot_token) ++kept[static_cast<std::size_t>(token)];
  }
  for (const int count : kept) EXPECT_NEAR(count, 1000, 6 * 27.4);
}

// How often each of the assignments in [first, last) is kept in so many draws.
std::vector<int> count_kept(const std::vector<std::int64_t>& ids, std::int64_t each, std::int64_t capacity, int draws) {
  std::vector<int> kept(ids.size(), 0);
  for (int draw = 0; draw < draws; ++draw) {
    const TokenRanges tokens = tokens_with(static_cast<std::int64_t>(ids.size()) / each, each);
    const RoutingPlan plan =
        plan_routing(ids.data(), tokens, 2, capacity, {true, {static_cast<std::uint32_t>(draw), 3}});
    for (std::size_t a = 0; a < ids.size(); ++a) kept[a] += plan.slot_of[a] >= 0 ? 1 : 0;
  }
  return kept;
}

// Pearson's statistic of how often each of `members` was kept, `capacity` of them in each draw, over its mean: about 1,
// and normal with the deviation sqrt(2 / (members - 1)) where all are equally likely. The last factor is for draws
// without replacement.
double dispersion(const std::vector<int>& kept, int capacity, int draws) {
  const auto members = static_cast<double>(kept.size());
  const double share = capacity / members, mean = draws * share;
  double sum = 0;
  for (const int count : kept) sum += (count - mean) * (count - mean);
  return sum / (mean * (1 - share)) * (members - 1) / members / (members - 1);
}

TEST(RoutingPlan, RandomSelectionPassesAChiSquareTest) {
  const int members = 60, capacity = 25, draws = 2000;
  const std::vector<int> kept = count_kept(std::vector<std::int64_t>(members, 0), 1, capacity, draws);
  EXPECT_NEAR(dispersion(kept, capacity, draws), 1, 5 * std::sqrt(2.0 / (members - 1)));
}

TEST(RoutingPlan, RandomSelectionServesFirstChoicesBeforeSecondOnes) {
  // 30 tokens have expert 0 first and 30 have it second; it takes 40: all the first ones, and any 10 of the others.
  std::vector<std::int64_t> ids;
  for (int token = 0; token < 60; ++token) ids.insert(ids.end(), {token % 2, 1 - token % 2});
  const int draws = 2000;
  const std::vector<int> kept = count_kept(ids, 2, 40, draws);
  std::vector<int> second;
  for (std::size_t token = 0; token < 60; ++token) {
    EXPECT_EQ(kept[2 * token], draws);
    second.push_back(kept[2 * token + 1]);
  }
  // Those of both experts together: the statistic has two constraints rather than one, which 5 deviations cover.
  EXPECT_NEAR(dispersion(second, 20, draws), 1, 5 * std::sqrt(2.0 / 59));
}

TEST(RoutingPlan, ChoicesOfNoExpertGoNowhere) {
  const std::array<std::int64_t, 8> ids{1, -1, 0, 1, 1, -1, 1, 0};
  const RoutingPlan all = plan_routing(ids.data(), tokens_with(4, 2), 2, 0, kFirstCome);
  EXPECT_THAT(all.slot_token, ElementsAre(1, 3, 0, 1, 2, 3));
  EXPECT_THAT(all.slot_of, ElementsAre(2, -1, 0, 3, 4, -1, 5, 1));
  EXPECT_THAT(all.assigned, ElementsAre(2, 4));
  const RoutingPlan limited = plan_routing(ids.data(), tokens_with(4, 2), 2, 3, kFirstCome);
  EXPECT_THAT(limited.slot_of, ElementsAre(2, -1, 0, -1, 3, -1, 4, 1));
}

TEST(RoutingPlan, TokensMayHaveUnequallyManyAssignments) {
  // Token 0 has experts 1 and 0, token 1 none, token 2 expert 0, token 3 experts 0, 1 and 2.
  const std::array<std::int64_t, 6> ids{1, 0, 0, 0, 1, 2};
  const std::array<std::int64_t, 5> begin{0, 2, 2, 3, 6};
  const TokenRanges tokens{4, 6, 0, begin.data()};
  const RoutingPlan all = plan_routing(ids.data(), tokens, 3, 0, kFirstCome);
  EXPECT_THAT(all.expert_begin, ElementsAre(0, 3, 5, 6));
  EXPECT_THAT(all.slot_token, ElementsAre(0, 2, 3, 0, 3, 3));
  EXPECT_THAT(all.slot_of, ElementsAre(3, 0, 1, 2, 4, 5));
  // Expert 0 is the first choice of tokens 2 and 3 and the second of token 0, which goes.
  const RoutingPlan limited = plan_routing(ids.data(), tokens, 3, 2, kFirstCome);
  EXPECT_THAT(limited.slot_token, ElementsAre(2, 3, 0, 3, 3));
  EXPECT_THAT(limited.slot_of, ElementsAre(2, -1, 0, 1, 3, 4));
}

TEST(RoutingPlan, NoTokensAndEmptyExpertsAreFine) {
  const RoutingPlan none = plan_routing(nullptr, tokens_with(0, 1), 4, 3, {true, {}});
  EXPECT_EQ(none.slots(), 0);
  EXPECT_THAT(none.expert_begin, ElementsAre(0, 0, 0, 0, 0));
}

}  // namespace
}  // namespace polymoe::kernels
