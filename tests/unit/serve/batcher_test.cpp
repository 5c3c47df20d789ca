#include "polymoe/serve/batcher.h"

#include <atomic>
#include <future>
#include <stdexcept>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "polymoe/serve/api_error.h"
#include "support/log_capture.h"

namespace polymoe {
namespace {

using ::testing::ElementsAre;
using Lines = std::vector<std::string>;

const BatchKey kGerman{"en", "de", 1};
Batcher::Clock::time_point in_a_minute() { return Batcher::Clock::now() + std::chrono::minutes(1); }

/// A model that answers when it is let go, and keeps what it was asked.
class HeldModel {
 public:
  TranslateBatch translate() {
    return [this](const BatchKey& key, const Lines& lines) {
      ++started_;
      gate_.get_future().wait();
      gate_ = std::promise<void>();
      batches_.push_back(lines);
      std::vector<LineAnswer> answers;
      for (const std::string& line : lines) answers.push_back({{key.target + line}});
      return answers;
    };
  }

  /// Waits until a batch was begun, of which there are `count` then.
  void await(int count) const {
    while (started_ < count) std::this_thread::yield();
  }
  void let_go() { gate_.set_value(); }
  const std::vector<Lines>& batches() const { return batches_; }

 private:
  std::promise<void> gate_;
  std::atomic<int> started_{0};
  std::vector<Lines> batches_;
};

std::future<Lines> ask(Batcher& batcher, const Lines& lines, const BatchKey& key = kGerman) {
  return std::async(std::launch::async, [&batcher, lines, key] {
    Lines texts;
    for (const LineAnswer& answer : batcher.run(key, lines, in_a_minute())) texts.push_back(answer.texts.front());
    return texts;
  });
}

void await_queued(const Batcher& batcher, std::size_t lines) {
  while (batcher.queued() != lines) std::this_thread::yield();
}

TEST(Batcher, PutsWhatWaitsIntoOneBatch) {
  HeldModel model;
  Batcher batcher({}, model.translate());
  auto first = ask(batcher, {"a"});
  model.await(1);
  auto second = ask(batcher, {"b", "c"});
  await_queued(batcher, 2);
  auto third = ask(batcher, {"d"});
  await_queued(batcher, 3);
  model.let_go();
  EXPECT_THAT(first.get(), ElementsAre("dea"));
  model.await(2);
  model.let_go();
  EXPECT_THAT(second.get(), ElementsAre("deb", "dec"));
  EXPECT_THAT(third.get(), ElementsAre("ded"));
  EXPECT_THAT(model.batches(), ElementsAre(Lines{"a"}, Lines{"b", "c", "d"}));
}

TEST(Batcher, KeepsDirectionsApart) {
  HeldModel model;
  Batcher batcher({}, model.translate());
  auto first = ask(batcher, {"a"});
  model.await(1);
  auto second = ask(batcher, {"b"}, {"en", "fr", 1});
  await_queued(batcher, 1);
  auto third = ask(batcher, {"c"});
  await_queued(batcher, 2);
  for (int batch = 1; batch <= 3; ++batch) {
    model.await(batch);
    model.let_go();
  }
  EXPECT_THAT(second.get(), ElementsAre("frb"));
  EXPECT_THAT(third.get(), ElementsAre("dec"));
  EXPECT_THAT(model.batches(), ElementsAre(Lines{"a"}, Lines{"b"}, Lines{"c"}));
}

TEST(Batcher, LetsShortRequestsPassLongOnes) {
  HeldModel model;
  Batcher batcher({.batch_lines = 4}, model.translate());
  auto blocker = ask(batcher, {"x"});
  model.await(1);
  auto longer = ask(batcher, {"a", "b", "c", "d", "e", "f", "g", "h"});
  await_queued(batcher, 8);
  auto shorter = ask(batcher, {"z"});
  await_queued(batcher, 9);
  model.let_go();
  model.await(2);
  model.let_go();
  EXPECT_THAT(shorter.get(), ElementsAre("dez"));  // in the first batch, beside three lines of the other
  for (int batch = 3; batch <= 4; ++batch) {
    model.await(batch);
    model.let_go();
  }
  EXPECT_THAT(longer.get(), ElementsAre("dea", "deb", "dec", "ded", "dee", "def", "deg", "deh"));
  blocker.get();
}

TEST(Batcher, RefusesWhatIsTooMuch) {
  HeldModel model;
  Batcher batcher({.max_queued_lines = 3}, model.translate());
  auto first = ask(batcher, {"a"});
  model.await(1);
  auto second = ask(batcher, {"b", "c"});
  await_queued(batcher, 2);
  try {
    batcher.run(kGerman, {"d", "e"}, in_a_minute());
    FAIL() << "it is taken";
  } catch (const ApiError& error) {
    EXPECT_EQ(error.status(), 429);
    EXPECT_GE(error.retry_after(), 1);
  }
  try {
    batcher.run(kGerman, {"d", "e", "f", "g"}, in_a_minute());
    FAIL() << "it is taken";
  } catch (const ApiError& error) {
    EXPECT_EQ(error.status(), 413);
  }
  for (int batch = 1; batch <= 2; ++batch) {
    model.await(batch);
    model.let_go();
  }
  first.get();
  second.get();
}

TEST(Batcher, GivesUpAtTheDeadline) {
  HeldModel model;
  Batcher batcher({}, model.translate());
  auto first = ask(batcher, {"a"});
  model.await(1);
  try {
    batcher.run(kGerman, {"b"}, Batcher::Clock::now());
    FAIL() << "it is answered";
  } catch (const ApiError& error) {
    EXPECT_EQ(error.status(), 503);
  }
  EXPECT_EQ(batcher.queued(), 0u);
  model.let_go();
  first.get();
  EXPECT_EQ(model.batches().size(), 1u);  // nobody waits for "b"
}

TEST(Batcher, AnswersWhatWaitsBeforeItEnds) {
  std::future<Lines> first, second;
  HeldModel model;
  {
    Batcher batcher({}, model.translate());
    first = ask(batcher, {"a"});
    model.await(1);
    second = ask(batcher, {"b"});
    await_queued(batcher, 1);
    std::thread([&] {
      model.let_go();
      model.await(2);
      model.let_go();
    }).detach();
  }
  EXPECT_THAT(first.get(), ElementsAre("dea"));
  EXPECT_THAT(second.get(), ElementsAre("deb"));
}

TEST(Batcher, FailsOnlyTheRequestsThatMakeTheModelFail) {
  const testing::LogCapture log;
  std::promise<void> gate;
  std::atomic<bool> begun{false};
  Batcher batcher({}, [&](const BatchKey&, const Lines& lines) {
    if (!begun.exchange(true)) gate.get_future().wait();
    std::vector<LineAnswer> answers;
    for (const std::string& line : lines) {
      if (line == "bad") throw std::runtime_error("broken");
      answers.push_back({{line}});
    }
    return answers;
  });
  auto first = ask(batcher, {"a"});
  while (!begun) std::this_thread::yield();
  auto good = ask(batcher, {"b"});
  await_queued(batcher, 1);
  auto bad = ask(batcher, {"bad"});
  await_queued(batcher, 2);
  gate.set_value();
  EXPECT_THAT(good.get(), ElementsAre("b"));
  EXPECT_THROW(bad.get(), ApiError);
  first.get();
}

}  // namespace
}  // namespace polymoe
