#include "polymoe/base/parallel_for.h"

#include <atomic>
#include <stdexcept>
#include <vector>

#include <gtest/gtest.h>

namespace polymoe {
namespace {

TEST(ParallelFor, DoesEachIndexOnce) {
  for (const std::size_t threads : {0, 1, 4}) {
    std::vector<std::atomic<int>> times(1000);
    parallel_for(times.size(), threads, [&](std::size_t i) { ++times[i]; });
    for (const std::atomic<int>& count : times) EXPECT_EQ(count, 1);
  }
}

TEST(ParallelFor, DoesNothingForNothing) {
  parallel_for(0, 4, [](std::size_t) { FAIL(); });
}

TEST(ParallelFor, ThrowsWhatTheWorkThrewAndStops) {
  for (const std::size_t threads : {1, 4}) {
    std::atomic<int> done = 0;
    const auto work = [&](std::size_t i) {
      if (i == 3) throw std::runtime_error("three");
      ++done;
    };
    EXPECT_THROW(parallel_for(1000, threads, work), std::runtime_error);
    if (threads == 1) {
      EXPECT_EQ(done, 3);
    }
  }
}

}  // namespace
}  // namespace polymoe
