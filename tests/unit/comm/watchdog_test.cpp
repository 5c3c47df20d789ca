// The watchdog over operations on a device, with threads in place of a device.
#include "polymoe/comm/watchdog.h"

#include <atomic>
#include <chrono>
#include <string>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "polymoe/base/error.h"

namespace polymoe {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;

class Operation : public DeviceOperation {
 public:
  bool ended() const override { return ended_; }
  double seconds() const override { return 0.25; }
  void end() { ended_ = true; }

 private:
  std::atomic<bool> ended_{false};
};

/// An engine that reports a fault when told to, and counts.
struct FakeEngine {
  std::atomic<bool> broken{false}, in_call{false};
  std::atomic<int> aborts{0}, aborts_in_call{0};
  std::thread::id thread, started_on;

  Watchdog::Engine hooks() {
    return {.start = [this] { started_on = std::this_thread::get_id(); },
            .fault = [this] { return std::string(broken ? "the cable is out" : ""); },
            .late =
                [this](Collective collective, std::int64_t number) {
                  thread = std::this_thread::get_id();
                  return std::string(collective_name(collective)) + " " + std::to_string(number) + " is late";
                },
            .abort =
                [this] {
                  ++aborts;
                  if (in_call) ++aborts_in_call;
                }};
  }
};

// Calls the engine until the watchdog lets nobody in any more; what it then says.
std::string call_until_failure(Watchdog& watchdog, FakeEngine& engine) {
  for (;;) {
    try {
      const auto call = watchdog.enter();
      engine.in_call = true;
      std::this_thread::sleep_for(1ms);
      // An engine that was aborted under the hands of a call would be freed memory here.
      if (engine.aborts > 0) return "aborted during a call";
      engine.in_call = false;
    } catch (const Error& error) {
      return error.what();
    }
  }
}

TEST(Watchdog, TellsTheFailureBeforeItAbortsAndNeverAbortsDuringACall) {
  for (int round = 0; round < 5; ++round) {
    FakeEngine engine;
    Watchdog watchdog(engine.hooks(), 60s);
    std::string heard;
    std::thread caller([&] { heard = call_until_failure(watchdog, engine); });
    std::this_thread::sleep_for(std::chrono::milliseconds(7 * round));
    engine.broken = true;
    caller.join();
    EXPECT_EQ(heard, "the cable is out");
    while (engine.aborts == 0) std::this_thread::sleep_for(1ms);
    EXPECT_EQ(engine.aborts_in_call, 0);
    EXPECT_FALSE(watchdog.stop()) << "the engine was aborted and must not be ended again";
    EXPECT_EQ(engine.aborts, 1);
  }
}

TEST(Watchdog, AbortsUnderACallThatHangsInTheEngine) {
  FakeEngine engine;
  Watchdog watchdog(engine.hooks(), 60s, /*grace=*/20ms);
  const auto call = watchdog.enter();
  engine.broken = true;
  while (engine.aborts == 0) std::this_thread::sleep_for(1ms);  // without it this test would not end
  EXPECT_THROW(watchdog.check(), Error);
}

TEST(Watchdog, ALateOperationFailsOnceWithItsName) {
  FakeEngine engine;
  Watchdog watchdog(engine.hooks(), 150ms);
  const auto first = std::make_shared<Operation>(), second = std::make_shared<Operation>();
  watchdog.watch(Collective::kAllReduce, 3, first);
  watchdog.watch(Collective::kAllToAll, 4, second);
  first->end();
  while (engine.aborts == 0) std::this_thread::sleep_for(1ms);
  try {
    watchdog.enter();
    ADD_FAILURE() << "nothing was thrown";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("all-to-all 4 is late"));
  }
  EXPECT_EQ(engine.started_on, engine.thread) << "the device is chosen on the thread that asks for it";
  EXPECT_NE(engine.thread, std::this_thread::get_id());
}

TEST(Watchdog, AddsUpTheTimeOfWhatHasEnded) {
  FakeEngine engine;
  Watchdog watchdog(engine.hooks(), 60s);
  std::vector<std::shared_ptr<Operation>> operations;
  for (int i = 0; i < 3; ++i) {
    operations.push_back(std::make_shared<Operation>());
    watchdog.watch(Collective::kAllReduce, i, operations.back());
  }
  EXPECT_EQ(watchdog.seconds(), 0.0);
  operations[0]->end();
  operations[1]->end();
  EXPECT_EQ(watchdog.seconds(), 0.5);
  EXPECT_TRUE(watchdog.stop());
  EXPECT_EQ(engine.aborts, 0);
}

}  // namespace
}  // namespace polymoe
