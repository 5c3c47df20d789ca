#include "polymoe/base/thread_team.h"

#include <atomic>
#include <chrono>
#include <stdexcept>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

namespace polymoe {
namespace {

// How often share() did each index.
std::vector<int> times_of(std::int64_t count, std::int64_t grain) {
  std::vector<std::atomic<int>> times(static_cast<std::size_t>(count));
  ThreadTeam::share(count, grain, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t i = first; i < last; ++i) ++times[static_cast<std::size_t>(i)];
  });
  return {times.begin(), times.end()};
}

TEST(ThreadTeam, DoesEachIndexOnce) {
  for (const int threads : {1, 2, 5}) {
    ThreadTeam team(threads);
    const ThreadTeam::Use use(&team);
    for (const std::int64_t count : {0, 1, 2, 7, 64, 1000}) {
      for (const std::int64_t grain : {1, 3, 100}) {
        for (int again = 0; again < 50; ++again) {
          ASSERT_EQ(times_of(count, grain), std::vector<int>(static_cast<std::size_t>(count), 1));
        }
      }
    }
  }
}

TEST(ThreadTeam, PiecesAreNoShorterThanTheGrain) {
  ThreadTeam team(3);
  const ThreadTeam::Use use(&team);
  ThreadTeam::share(1000, 450, [](std::int64_t first, std::int64_t last) {
    EXPECT_TRUE(last - first >= 450 || last == 1000) << first << " to " << last;
  });
}

TEST(ThreadTeam, SharedByAllItsThreads) {
  ThreadTeam team(3);
  const ThreadTeam::Use use(&team);
  std::atomic<int> arrived = 0;
  ThreadTeam::share(3, 1, [&](std::int64_t, std::int64_t) {  // which ends only if each piece has a thread of its own
    ++arrived;
    while (arrived < 3) std::this_thread::yield();
  });
  EXPECT_EQ(arrived, 3);
}

TEST(ThreadTeam, HelpersWakeAfterALongPause) {
  ThreadTeam team(2);
  const ThreadTeam::Use use(&team);
  for (int again = 0; again < 5; ++again) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));  // far longer than they spin
    std::atomic<int> arrived = 0;
    ThreadTeam::share(2, 1, [&](std::int64_t, std::int64_t) {
      ++arrived;
      while (arrived < 2) std::this_thread::yield();
    });
    EXPECT_EQ(arrived, 2);
  }
}

TEST(ThreadTeam, WithoutATeamAndInsideAPieceTheCallerDoesAll) {
  std::vector<std::int64_t> ends;
  ThreadTeam::share(1000, 1, [&](std::int64_t, std::int64_t last) { ends.push_back(last); });
  EXPECT_EQ(ends, std::vector<std::int64_t>{1000});

  ThreadTeam team(2);
  const ThreadTeam::Use use(&team);
  std::atomic<int> inner = 0;
  ThreadTeam::share(8, 1, [&](std::int64_t first, std::int64_t last) {
    const auto caller = std::this_thread::get_id();
    for (std::int64_t i = first; i < last; ++i) {
      ThreadTeam::share(100, 1, [&](std::int64_t, std::int64_t) {
        EXPECT_EQ(std::this_thread::get_id(), caller);
        ++inner;
      });
    }
  });
  EXPECT_EQ(inner, 8);
}

TEST(ThreadTeam, ThrowsWhatTheWorkThrewAndGoesOn) {
  ThreadTeam team(3);
  const ThreadTeam::Use use(&team);
  for (int again = 0; again < 20; ++again) {
    EXPECT_THROW(ThreadTeam::share(100, 1,
                                   [](std::int64_t first, std::int64_t last) {
                                     if (first <= 40 && 40 < last) throw std::runtime_error("forty");
                                   }),
                 std::runtime_error);
    EXPECT_EQ(times_of(64, 1), std::vector<int>(64, 1));
  }
}

TEST(ThreadTeam, EachThreadHasItsOwn) {
  std::vector<std::jthread> callers;
  for (int i = 0; i < 3; ++i) {
    callers.emplace_back([] {
      ThreadTeam team(2);
      const ThreadTeam::Use use(&team);
      for (int again = 0; again < 200; ++again) EXPECT_EQ(times_of(50, 1), std::vector<int>(50, 1));
    });
  }
}

}  // namespace
}  // namespace polymoe
