// The counts against the formulas in comm/communicator.h.
#include <numeric>

#include <gtest/gtest.h>

#include "polymoe/comm/parts.h"
#include "support/thread_communicator.h"
#include "unit/comm/values.h"

namespace polymoe {
namespace {

using testing::run_ranks;
using testing::values_of;

TEST(CollectiveCounts, AnAllReduceSendsTwiceAllButOneShare) {
  run_ranks(4, [](Communicator& world) {
    world.all_reduce(values_of(0, 1024));
    world.all_reduce(values_of(0, 2048));
    const CollectiveCount expected{2, 2 * (1024 + 2048) * 4 * 3 / 4};
    EXPECT_EQ(world.count(Collective::kAllReduce), expected);
  });
}

TEST(CollectiveCounts, ASmallAllReduceSendsItselfToEachOther) {
  run_ranks(4, [](Communicator& world) {
    world.all_reduce(values_of(0, kSmallAllReduceBytes / 4));
    const CollectiveCount expected{1, kSmallAllReduceBytes * 3};
    EXPECT_EQ(world.count(Collective::kAllReduce), expected);
  });
}

TEST(CollectiveCounts, UnevenPartsCountWithTheirTrueSizes) {
  std::atomic<std::int64_t> sum{0};
  run_ranks(3, [&](Communicator& world) {
    const std::int64_t elements = 1000;  // 333, 333, 334
    world.all_reduce(values_of(0, elements));
    const std::int64_t own = part_of(elements, 3, world.rank()).count;
    EXPECT_EQ(world.count(Collective::kAllReduce).bytes, 4 * (elements - own + 2 * own));
    sum += world.count(Collective::kAllReduce).bytes;
  });
  EXPECT_EQ(sum, 2 * 4 * 1000 * 2);
}

TEST(CollectiveCounts, ReduceScatterAndAllGatherSendAllButOneShare) {
  run_ranks(4, [](Communicator& world) {
    world.reduce_scatter(values_of(0, 400), at::zeros({100}));
    world.all_gather(at::zeros({100}), at::zeros({400}));
    const CollectiveCount expected{1, 300 * 4};
    EXPECT_EQ(world.count(Collective::kReduceScatter), expected);
    EXPECT_EQ(world.count(Collective::kAllGather), expected);
  });
}

TEST(CollectiveCounts, AnAllToAllCountsWhatGoesToOthers) {
  run_ranks(3, [](Communicator& world) {
    const std::vector<std::int64_t> counts = {5, 5, 5};
    world.all_to_all(at::zeros({15}, c10::kBFloat16), counts, at::zeros({15}, c10::kBFloat16), counts);
    const CollectiveCount expected{1, 2 * 5 * 2};
    EXPECT_EQ(world.count(Collective::kAllToAll), expected);
  });
}

TEST(CollectiveCounts, ABroadcastSendsXToEachMemberButOne) {
  std::atomic<std::int64_t> sum{0};
  run_ranks(3, [&](Communicator& world) {
    world.broadcast(values_of(0, 100), 1);
    sum += world.count(Collective::kBroadcast).bytes;
  });
  EXPECT_EQ(sum, 2 * 100 * 4);
}

TEST(CollectiveCounts, BarriersAndALoneProcessSendNothing) {
  run_ranks(2, [](Communicator& world) {
    world.barrier();
    const CollectiveCount expected{1, 0};
    EXPECT_EQ(world.count(Collective::kBarrier), expected);
  });
  const std::unique_ptr<Communicator> self = make_self_communicator();
  self->all_reduce(values_of(0, 5000));
  self->broadcast(values_of(0, 5000), 0);
  const CollectiveCount expected{1, 0};
  EXPECT_EQ(self->count(Collective::kAllReduce), expected);
  EXPECT_EQ(self->count(Collective::kBroadcast), expected);
}

TEST(CollectiveCounts, AGroupCountsItsOwn) {
  run_ranks(2, [](Communicator& world) {
    const std::unique_ptr<Communicator> group = world.make_group("both", {0, 1});
    group->barrier();
    EXPECT_EQ(group->count(Collective::kBarrier).calls, 1);
    EXPECT_EQ(world.counts(), CollectiveCounts{});
  });
}

TEST(PartOf, CoversAllElementsWithPartsThatDifferByOne) {
  for (const std::int64_t elements : {0, 1, 7, 100, 101}) {
    for (int size = 1; size <= 9; ++size) {
      std::int64_t next = 0;
      for (int rank = 0; rank < size; ++rank) {
        const Part part = part_of(elements, size, rank);
        EXPECT_EQ(part.begin, next);
        EXPECT_GE(part.count, elements / size);
        EXPECT_LE(part.count, (elements + size - 1) / size);
        next += part.count;
      }
      EXPECT_EQ(next, elements);
    }
  }
}

}  // namespace
}  // namespace polymoe
