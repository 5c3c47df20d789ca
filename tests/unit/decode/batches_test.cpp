#include "polymoe/decode/batches.h"

#include <atomic>
#include <memory>
#include <stdexcept>
#include <stop_token>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "polymoe/cancelled.h"
#include "polymoe/tensor/torch_headers.h"

namespace polymoe {
namespace {

class EmptyModel : public DecodingModel {
 public:
  explicit EmptyModel(bool thread_safe) : thread_safe_(thread_safe) {}
  std::int64_t max_positions() const override { return 1; }
  std::int64_t vocabulary() const override { return 1; }
  bool is_thread_safe() const override { return thread_safe_; }
  std::unique_ptr<DecodingState> start(const std::vector<std::vector<std::int32_t>>&, std::int64_t) override {
    return nullptr;
  }

 private:
  bool thread_safe_;
};

class Batches : public ::testing::Test {
 protected:
  Batches() { at::set_num_threads(3); }
  ~Batches() override { at::set_num_threads(before_); }

 private:
  int before_ = at::get_num_threads();
};

TEST_F(Batches, EachIsSearchedOnceByAThreadThatComputesAlone) {
  const EmptyModel model(true);
  BatchRunner runner(model);
  EXPECT_EQ(runner.at_once(), 3);
  std::vector<int> searched(40), threads(40);
  runner.run(searched.size(), [&](std::size_t i) {
    ++searched[i];
    threads[i] = at::get_num_threads();
  });
  EXPECT_EQ(searched, std::vector<int>(40, 1));
  EXPECT_EQ(threads, std::vector<int>(40, 1));
  EXPECT_EQ(at::get_num_threads(), 3);
}

TEST_F(Batches, ModelsThatThreadsMustNotShareTakeThemInTurn) {
  const EmptyModel model(false);
  BatchRunner runner(model);
  EXPECT_EQ(runner.at_once(), 1);
  std::vector<std::size_t> order;
  runner.run(5, [&](std::size_t i) {
    order.push_back(i);
    EXPECT_EQ(at::get_num_threads(), 3);
  });
  EXPECT_EQ(order, (std::vector<std::size_t>{0, 1, 2, 3, 4}));
}

TEST_F(Batches, ALoneBatchHasATeam) {
  const EmptyModel model(true);
  BatchRunner runner(model);
  std::atomic<int> arrived = 0;
  runner.run(1, [&](std::size_t) {
    ThreadTeam::share(3, 1, [&](std::int64_t, std::int64_t) {  // which ends only if each piece has a thread of its own
      ++arrived;
      while (arrived < 3) std::this_thread::yield();
    });
  });
  EXPECT_EQ(arrived, 3);
}

TEST_F(Batches, AnErrorIsThrownAndThreadsAreAsTheyWere) {
  const EmptyModel model(true);
  BatchRunner runner(model);
  EXPECT_THROW(runner.run(9,
                          [](std::size_t i) {
                            if (i == 4) throw std::runtime_error("no");
                          }),
               std::runtime_error);
  EXPECT_EQ(at::get_num_threads(), 3);
}

TEST_F(Batches, AThreadThatBeginsLaterHasTheProcessNumberOfThreads) {
  const EmptyModel model(true);
  BatchRunner runner(model);
  int found = 0;
  runner.run(2, [&](std::size_t i) {
    if (i == 0) std::thread([&] { found = at::get_num_threads(); }).join();
  });
  EXPECT_EQ(found, 3);
}

TEST_F(Batches, CallersShareThePlaces) {
  for (const bool thread_safe : {true, false}) {
    const EmptyModel model(thread_safe);
    BatchRunner runner(model);
    std::atomic<int> running = 0, most = 0;
    const auto search = [&](std::size_t) {
      const int now = ++running;
      for (int before = most; before < now && !most.compare_exchange_weak(before, now);) {
      }
      std::this_thread::yield();
      --running;
    };
    std::vector<std::thread> callers;
    for (int i = 0; i < 8; ++i) callers.emplace_back([&] { runner.run(20, search); });
    for (std::thread& caller : callers) caller.join();
    EXPECT_LE(most, runner.at_once());
    EXPECT_GE(most, 1);
  }
}

TEST_F(Batches, ACallThatWaitsForAPlaceCanBeCancelled) {
  const EmptyModel model(false);
  BatchRunner runner(model);
  std::stop_source stop;
  bool searched = false, cancelled = false;
  runner.run(1, [&](std::size_t) {
    std::thread other([&] {
      try {
        runner.run(
            1, [&](std::size_t) { searched = true; }, stop.get_token());
      } catch (const Cancelled&) {
        cancelled = true;
      }
    });
    stop.request_stop();
    other.join();  // the place is still taken
  });
  EXPECT_TRUE(cancelled);
  EXPECT_FALSE(searched);
}

}  // namespace
}  // namespace polymoe
