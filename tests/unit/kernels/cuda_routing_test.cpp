#include "polymoe/kernels/cuda/routing.h"

#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "polymoe/kernels/cuda/routing_work.h"

namespace polymoe::kernels::cuda {
namespace {

// A block of the GPU on the CPU. Threads run in either order: what depended on the order within a phase would differ.
template <int kCount>
struct SimulatedBlock {
  static constexpr int kThreads = kCount;
  bool backwards;

  template <typename Function>
  void each(Function function) const {
    for (int i = 0; i < kThreads; ++i) function(backwards ? kThreads - 1 - i : i);
  }
  void add_one(unsigned& counter) const { ++counter; }
};

struct RoutingCase {
  std::int64_t tokens, top_k, experts, capacity;
  bool random_selection;
  enum Taste { kEven, kOneExpert, kFewExperts } taste;
};

TokenSelection selection_of(const RoutingCase& c) { return {c.random_selection, {17, 4}}; }

// The `top_k` experts of a token differ where there are as many.
std::vector<std::int64_t> choose_experts(const RoutingCase& c) {
  const RandomStream random(11, 3);
  std::vector<std::int64_t> ids;
  for (std::int64_t token = 0; token < c.tokens; ++token) {
    std::int64_t first = c.experts / 2;
    if (c.taste == RoutingCase::kEven || (c.taste == RoutingCase::kFewExperts && token % 2 == 0)) {
      first = static_cast<std::int64_t>(
          random.below(static_cast<std::uint64_t>(token), static_cast<std::uint64_t>(c.experts)));
      if (c.taste == RoutingCase::kFewExperts) first -= first % 5;
    }
    const std::int64_t step = c.experts > 3 ? 1 + token % 3 : 1;
    for (std::int64_t choice = 0; choice < c.top_k; ++choice) ids.push_back((first + choice * step) % c.experts);
  }
  return ids;
}

// What uninitialised memory holds: nothing that could pass for a result.
template <typename T>
std::vector<T> garbage(std::int64_t count) {
  std::vector<T> values(static_cast<std::size_t>(count));
  for (T& value : values) std::memset(&value, 0xA5, sizeof value);
  return values;
}
template <typename T>
T garbage() {
  return garbage<T>(1)[0];
}

// The launches of plan_routing().
template <typename Block>
void simulate_grid(const routing::Work& work, Block block) {
  const auto run = [&](std::int64_t count, auto function) {
    for (std::int64_t i = 0; i < count; ++i) function(block.backwards ? count - 1 - i : i);
  };
  run(work.chunks, [&](std::int64_t chunk) {
    auto shared = garbage<routing::ChunkMemory<Block>>();
    routing::count_chunk(block, shared, work, chunk);
  });
  run(work.experts, [&](std::int64_t expert) {
    auto shared = garbage<routing::ScanMemory<Block>>();
    routing::scan_chunks(block, shared, work, expert);
  });
  auto shared = garbage<routing::ScanMemory<Block>>();
  routing::scan_experts(block, shared, work);
  run(work.assignments, [&](std::int64_t a) { routing::place_assignment<Block>(work, a); });
  if (work.capacity == 0) return;
  run(work.experts, [&](std::int64_t expert) {
    auto memory = garbage<routing::ExpertMemory<Block>>();
    routing::keep_members(block, memory, work, expert);
  });
}

template <int kThreads>
void expect_the_cpus_plan(const RoutingCase& c, const std::vector<std::int64_t>& ids, const TokenRanges& tokens) {
  const RoutingPlan expected = kernels::plan_routing(ids.data(), tokens, c.experts, c.capacity, selection_of(c));
  std::vector<std::int64_t> slot_token = expected.slot_token;
  ASSERT_LE(expected.slots(), most_slots(tokens.assignments, c.experts, c.capacity));
  slot_token.resize(static_cast<std::size_t>(most_slots(tokens.assignments, c.experts, c.capacity)), 0);

  for (const bool backwards : {false, true}) {
    const std::int64_t assignments = tokens.assignments;
    auto tokens_found = garbage<std::int64_t>(static_cast<std::int64_t>(slot_token.size()));
    auto slots_found = garbage<std::int64_t>(assignments);
    auto ends_found = garbage<std::int32_t>(c.experts);
    auto assigned_found = garbage<std::int64_t>(c.experts);
    auto workspace =
        garbage<char>(static_cast<std::int64_t>(routing::workspace_bytes(assignments, c.experts, kThreads)));
    const RoutingBuffers out{tokens_found.data(), slots_found.data(), ends_found.data(), assigned_found.data(),
                             workspace.data()};
    simulate_grid(routing::make_work(ids.data(), tokens, c.experts, c.capacity, selection_of(c), out, kThreads),
                  SimulatedBlock<kThreads>{backwards});
    EXPECT_EQ(tokens_found, slot_token);
    EXPECT_EQ(slots_found, expected.slot_of);
    EXPECT_TRUE(std::equal(ends_found.begin(), ends_found.end(), expected.expert_begin.begin() + 1,
                           expected.expert_begin.end()));
    EXPECT_EQ(assigned_found, expected.assigned);
  }
}

template <int kThreads>
void expect_the_cpus_plan(const RoutingCase& c) {
  SCOPED_TRACE(std::to_string(c.tokens) + " tokens, top " + std::to_string(c.top_k) + " of " +
               std::to_string(c.experts) + " experts, capacity " + std::to_string(c.capacity) +
               (c.random_selection ? ", random selection" : "") + ", taste " + std::to_string(c.taste));
  const std::vector<std::int64_t> ids = choose_experts(c);
  expect_the_cpus_plan<kThreads>(c, ids, TokenRanges::equal(c.tokens, c.top_k));
}

template <int kThreads>
void expect_the_cpus_plans(std::int64_t tokens, std::int64_t experts) {
  for (const std::int64_t top_k : {1, 2}) {
    for (const auto taste : {RoutingCase::kEven, RoutingCase::kOneExpert, RoutingCase::kFewExperts}) {
      expect_the_cpus_plan<kThreads>({tokens, top_k, experts, 0, false, taste});
      for (const std::int64_t capacity : {std::int64_t{1}, tokens * top_k / experts + 2, tokens, tokens * top_k + 9}) {
        for (const bool random_selection : {false, true}) {
          expect_the_cpus_plan<kThreads>({tokens, top_k, experts, capacity, random_selection, taste});
        }
      }
      if (::testing::Test::HasFailure()) return;
    }
  }
}

TEST(CudaRouting, ManyBlocksMakeTheCpusPlan) {
  for (const std::int64_t tokens : {1, 7, 300, 5000}) {
    for (const std::int64_t experts : {1, 2, 8, 64, 129, 512}) expect_the_cpus_plans<32>(tokens, experts);
  }
}

TEST(CudaRouting, BlocksOfTheGpusSizeMakeTheCpusPlan) {
  expect_the_cpus_plans<512>(3, 5);
  expect_the_cpus_plans<512>(1500, 64);
  expect_the_cpus_plan<512>({3000, 1, 1024, 2, true, RoutingCase::kEven});
}

TEST(CudaRouting, OneExpertWithAllAssignments) {
  for (const std::int64_t capacity : {1, 1000, 65535}) {
    expect_the_cpus_plan<512>({65536, 1, 4, capacity, true, RoutingCase::kOneExpert});
    expect_the_cpus_plan<512>({65536, 1, 4, capacity, false, RoutingCase::kOneExpert});
  }
}

TEST(CudaRouting, RanksOfSeveralDigitsWithTies) {
  for (const std::int64_t capacity : {1, 40, 1000, 3999}) {
    expect_the_cpus_plan<32>({40, 300, 3, capacity, false, RoutingCase::kEven});
    expect_the_cpus_plan<32>({40, 257, 1, capacity, false, RoutingCase::kEven});
  }
}

// As many experts as the token's number has bits set, from the token's own on.
TEST(CudaRouting, TokensWithUnequallyManyAssignments) {
  const std::int64_t tokens = 900, experts = 12;
  std::vector<std::int64_t> ids, begin{0};
  for (std::int64_t token = 0; token < tokens; ++token) {
    const int count = std::popcount(static_cast<std::uint64_t>(token));
    for (std::int64_t choice = 0; choice < count; ++choice) ids.push_back((token * token + choice) % experts);
    begin.push_back(static_cast<std::int64_t>(ids.size()));
  }
  const TokenRanges ranges{tokens, static_cast<std::int64_t>(ids.size()), 0, begin.data()};
  for (const std::int64_t capacity : {0, 1, 100, 5000}) {
    for (const bool random_selection : {false, true}) {
      expect_the_cpus_plan<32>({tokens, 0, experts, capacity, random_selection, RoutingCase::kEven}, ids, ranges);
    }
  }
}

TEST(CudaRouting, ChoicesOfNoExpert) {
  for (const std::int64_t capacity : {0, 1, 60, 5000}) {
    for (const bool random_selection : {false, true}) {
      const RoutingCase c{700, 2, 9, capacity, random_selection, RoutingCase::kEven};
      std::vector<std::int64_t> ids = choose_experts(c);
      for (std::size_t a = 1; a < ids.size(); a += 2) {
        if (a % 3 == 0) ids[a] = -1;
      }
      expect_the_cpus_plan<32>(c, ids, TokenRanges::equal(c.tokens, c.top_k));
    }
  }
}

TEST(CudaRouting, NoTokens) {
  for (const std::int64_t capacity : {0, 3}) expect_the_cpus_plan<32>({0, 2, 40, capacity, true, RoutingCase::kEven});
}

TEST(CudaRouting, SlotsAreAtMostTheAssignmentsAndThePlacesOfAllExperts) {
  EXPECT_EQ(most_slots(20, 4, 0), 20);
  EXPECT_EQ(most_slots(20, 4, 3), 12);
  EXPECT_EQ(most_slots(20, 4, 6), 20);
  EXPECT_EQ(most_slots(20, 4, INT64_MAX), 20);
}

}  // namespace
}  // namespace polymoe::kernels::cuda
