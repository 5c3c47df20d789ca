// Operations under way at the same time.
#include <gtest/gtest.h>

#include "support/thread_communicator.h"
#include "unit/comm/values.h"

namespace polymoe {
namespace {

using testing::reduced;
using testing::run_ranks;
using testing::values_of;

TEST(OverlappingCollectives, MayBeWaitedForInAnotherOrderOnEachRank) {
  run_ranks(4, [](Communicator& world) {
    // All-reduces have two phases: the second of one happens while another is waited for.
    constexpr int kOperations = 4;
    std::vector<at::Tensor> sums;
    std::vector<Pending> pending;
    for (int i = 0; i < kOperations; ++i) {
      sums.push_back(values_of(world.rank(), 1000 + i));
      pending.push_back(world.start_all_reduce(sums.back()));
    }
    for (int i = 0; i < kOperations; ++i) pending[static_cast<std::size_t>((i + world.rank()) % kOperations)]->wait();
    for (const at::Tensor& sum : sums) EXPECT_TRUE(sum.equal(reduced(4, sum.numel(), c10::kFloat)));
  });
}

TEST(OverlappingCollectives, OfTwoGroupsMayBeWaitedForInAnotherOrder) {
  run_ranks(3, [](Communicator& world) {
    const std::unique_ptr<Communicator> all = world.make_group("all", {0, 1, 2});
    const at::Tensor a = values_of(world.rank(), 2000), b = values_of(world.rank(), 3000);
    Pending first = world.start_all_reduce(a), second = all->start_all_reduce(b);
    if (world.rank() == 0) first.swap(second);
    first->wait();
    second->wait();
    EXPECT_TRUE(a.equal(reduced(3, 2000, c10::kFloat)));
    EXPECT_TRUE(b.equal(reduced(3, 3000, c10::kFloat)));
  });
}

TEST(OverlappingCollectives, OfDifferentKindsKeepTheirMessagesApart) {
  run_ranks(3, [](Communicator& world) {
    const at::Tensor sum = values_of(world.rank(), 900), gathered = at::zeros({900}), exchanged = at::zeros({900});
    const std::vector<std::int64_t> counts = {300, 300, 300};
    const Pending reduce = world.start_all_reduce(sum);
    const Pending gather = world.start_all_gather(values_of(world.rank(), 300), gathered);
    const Pending exchange = world.start_all_to_all(values_of(world.rank(), 900), counts, exchanged, counts);
    exchange->wait();
    gather->wait();
    reduce->wait();
    EXPECT_TRUE(sum.equal(reduced(3, 900, c10::kFloat)));
    EXPECT_TRUE(gathered.equal(at::cat({values_of(0, 300), values_of(1, 300), values_of(2, 300)})));
    for (int from = 0; from < 3; ++from) {
      const at::Tensor expected = values_of(from, 900).narrow(0, 300 * world.rank(), 300);
      EXPECT_TRUE(exchanged.narrow(0, 300 * from, 300).equal(expected));
    }
  });
}

TEST(OverlappingCollectives, ThatNobodyWaitsForHereStillServeTheOthers) {
  run_ranks(2, [](Communicator& world) {
    at::Tensor sum = values_of(world.rank(), 5000);
    Pending pending = world.start_all_reduce(sum);
    if (world.rank() == 0) {
      pending = nullptr;
      sum = at::Tensor();
    } else {
      pending->wait();
      EXPECT_TRUE(sum.equal(reduced(2, 5000, c10::kFloat)));
    }
    world.barrier();
  });
}

}  // namespace
}  // namespace polymoe
