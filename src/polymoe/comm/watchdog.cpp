#include "polymoe/comm/watchdog.h"

#include <utility>

#include "polymoe/base/error.h"

namespace polymoe {

Watchdog::Watchdog(Engine engine, std::chrono::duration<double> time_out, std::chrono::duration<double> grace)
    : engine_(std::move(engine)), time_out_(time_out), grace_(grace), thread_([this] { look(); }) {}

bool Watchdog::stop() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  ending_changed_.notify_all();
  if (thread_.joinable()) thread_.join();
  return !aborted_;
}

std::unique_lock<std::timed_mutex> Watchdog::enter() {
  std::unique_lock call(in_engine_);
  check();
  return call;
}

void Watchdog::watch(Collective collective, std::int64_t number, std::shared_ptr<const DeviceOperation> operation) {
  const std::lock_guard lock(mutex_);
  watched_.push_back({collective, number, std::move(operation), std::chrono::steady_clock::now()});
}

void Watchdog::check() {
  const std::lock_guard lock(mutex_);
  if (!failure_.empty()) throw Error(failure_);
}

double Watchdog::seconds() {
  const std::lock_guard lock(mutex_);
  sweep();
  return seconds_;
}

// Forgets what has ended.
void Watchdog::sweep() {
  while (!watched_.empty() && watched_.front().operation->ended()) {
    seconds_ += watched_.front().operation->seconds();
    watched_.pop_front();
    // What comes behind could not begin before: its time counts from here.
    if (!watched_.empty()) watched_.front().since = std::chrono::steady_clock::now();
  }
}

std::string Watchdog::failure_now(std::unique_lock<std::mutex>& lock) {
  if (std::string fault = engine_.fault(); !fault.empty()) return fault;
  sweep();
  if (watched_.empty() || std::chrono::steady_clock::now() - watched_.front().since < time_out_) return {};
  const Watched late = watched_.front();
  lock.unlock();  // the question takes seconds
  std::string failure = engine_.late(late.collective, late.number);
  lock.lock();
  return failure;
}

void Watchdog::look() {
  constexpr auto kPause = std::chrono::milliseconds(100);
  engine_.start();
  std::unique_lock lock(mutex_);
  while (!ending_changed_.wait_for(lock, kPause, [this] { return ending_; })) {
    std::string failure = failure_now(lock);
    if (failure.empty()) continue;
    failure_ = std::move(failure);  // before the abort: from here on nobody gets in
    aborted_ = true;
    lock.unlock();
    std::unique_lock call(in_engine_, std::defer_lock);
    static_cast<void>(call.try_lock_for(grace_));
    engine_.abort();
    return;
  }
}

}  // namespace polymoe
