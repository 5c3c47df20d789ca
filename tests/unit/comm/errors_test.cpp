#include <functional>
#include <stdexcept>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "polymoe/base/error.h"
#include "polymoe/comm/late_ranks.h"
#include "support/thread_communicator.h"
#include "unit/comm/values.h"

namespace polymoe {
namespace {

using ::testing::HasSubstr;
using testing::run_ranks;

std::string message_of(const std::function<void()>& body) {
  try {
    body();
  } catch (const std::exception& error) {
    return error.what();
  }
  return "nothing was thrown";
}

TEST(CommunicatorErrors, SayWhatIsWrongWithTheArguments) {
  const std::unique_ptr<Communicator> group = make_self_communicator("lone");
  const auto says = [](const char* words, const std::function<void()>& body) {
    EXPECT_THAT(message_of(body), HasSubstr(words));
  };
  const at::Tensor x = at::zeros({4, 3});
  says("all-reduce in group 'lone': the tensor is not contiguous", [&] { group->all_reduce(x.t()); });
  says("the tensor is an undefined tensor", [&] { group->all_reduce(at::Tensor()); });
  says("cannot reduce values of type Char", [&] { group->all_reduce(x.to(c10::kChar)); });
  says("the input holds 12 elements, not 1 times the output's 5", [&] { group->reduce_scatter(x, at::zeros({5})); });
  says("the input is of type Float, the output of type Long",
       [&] { group->all_gather(x, at::zeros({12}, c10::kLong)); });
  says("the counts sum to 12 elements, the output holds 13", [&] { group->all_gather(x, at::zeros({13})); });
  says("2 counts for 1 members", [&] { group->all_gather(x, x.clone(), {6, 6}); });
  says("the input holds 12 elements, its count says 6", [&] { group->all_gather(x, at::zeros({6}), {6}); });
  says("send counts: -1 is negative", [&] { group->all_to_all(x, {-1}, x.clone(), {12}); });
  says("the receive counts sum to 11", [&] { group->all_to_all(x, {12}, x.clone(), {11}); });
  says("the root is rank 1, but there are 1 members", [&] { group->broadcast(x, 1); });
  says("group 'two' can only hold rank 0", [&] { group->make_group("two", {0, 1}); });
}

TEST(CommunicatorErrors, AGroupNeedsItsMaker) {
  run_ranks(2, [](Communicator& world) {
    EXPECT_THAT(message_of([&] { world.make_group("other", {1 - world.rank()}); }), HasSubstr("is not in it"));
    EXPECT_THAT(message_of([&] { world.make_group("other", {0, 2}); }), HasSubstr("there is no rank 2"));
  });
}

TEST(RunRanks, ThrowsWhatTheFirstRankThrewAndEndsTheOthers) {
  const auto body = [](Communicator& world) {
    if (world.rank() == 1) throw std::runtime_error("rank 1 has had enough");
    world.barrier();
  };
  EXPECT_EQ(message_of([&] { run_ranks(3, body); }), "rank 1 has had enough");
}

TEST(TimeOut, NamesTheOperationTheGroupAndTheLateRanks) {
  PointToPointOptions options;
  options.time_out = std::chrono::milliseconds(200);
  const auto body = [](Communicator& world) {
    world.barrier();
    if (world.rank() == 2) return;
    const std::unique_ptr<Communicator> group = world.make_group("others", {0, 1});
    if (world.rank() == 0) group->barrier();
    world.all_reduce(at::zeros({1}));
  };
  const std::string in_group = message_of([&] { run_ranks(3, body, options); });
  // Whichever rank is first to lose patience.
  EXPECT_THAT(in_group,
              ::testing::AnyOf("barrier number 1 of group 'others' (ranks 0-1) has made no progress for 0.2 seconds; "
                               "late: rank 1",
                               "all-reduce number 2 of group 'world' (ranks 0-2) has made no progress for 0.2 seconds; "
                               "late: ranks 0, 2"));
}

TEST(TimeOut, ListsRanksInRanges) {
  EXPECT_EQ(list_of_ranks({0, 1, 2, 5, 7, 8}), "0-2, 5, 7-8");
  EXPECT_EQ(list_of_ranks({3, 1}), "3, 1");
}

TEST(Texts, AreGatheredByRank) {
  run_ranks(3, [](Communicator& world) {
    const std::vector<std::string> expected = {"", "a", "aa"};
    EXPECT_EQ(all_gather_texts(world, std::string(static_cast<std::size_t>(world.rank()), 'a')), expected);
  });
}

TEST(RunCollectively, EveryRankThrowsTheErrorOfTheLowestThatFailed) {
  run_ranks(4, [](Communicator& world) {
    const auto work = [&] {
      if (world.rank() >= 2) fail("the disk of rank {} is full", world.rank());
    };
    EXPECT_EQ(message_of([&] { run_collectively(world, work); }), "the disk of rank 2 is full");
    try {
      run_collectively(world, work);
    } catch (const SharedError& error) {
      EXPECT_NE(world.rank(), 2) << "its own error is not one that it hears of";
      EXPECT_EQ(error.world_rank(), 2);
    } catch (const Error&) {
      EXPECT_EQ(world.rank(), 2);
    }
    try {
      run_collectively(world, [] { fail("no such folder"); });
      ADD_FAILURE() << "nothing was thrown";
    } catch (const SharedError& error) {
      EXPECT_EQ(error.message(), "no such folder");
      EXPECT_FALSE(error.world_rank()) << "all made the same mistake";
    }
    run_collectively(world, [] {});
    world.barrier();
  });
}

}  // namespace
}  // namespace polymoe
