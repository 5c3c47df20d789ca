#include "polymoe/base/thread_team.h"

#include <algorithm>
#include <chrono>
#include <utility>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace polymoe {
namespace {

// How long helpers spin before they sleep: longer than a search's gap between two loops, and short enough not to rob
// others of the core.
constexpr auto kSpin = std::chrono::microseconds(200);

void pause() {
#if defined(__x86_64__)
  for (int i = 0; i < 16; ++i) _mm_pause();
#endif
}

}  // namespace

ThreadTeam*& ThreadTeam::current() {
  thread_local ThreadTeam* team = nullptr;
  return team;
}

ThreadTeam::Use::Use(ThreadTeam* team) : before_(current()) { current() = team; }
ThreadTeam::Use::~Use() { current() = before_; }

// Delegates, so that the destructor stops those that began where another cannot begin.
ThreadTeam::ThreadTeam(int threads) : ThreadTeam() {
  for (int i = 1; i < threads; ++i) {
    helpers_.emplace_back([this](const std::stop_token& stop) { help(stop); });
  }
}

ThreadTeam::~ThreadTeam() {
  for (std::jthread& helper : helpers_) helper.request_stop();
  ++loops_;
  loops_.notify_all();
}

// One for each thread: several short pieces stream from memory more slowly than a long one.
std::int64_t ThreadTeam::piece_of(std::int64_t count, std::int64_t grain) const {
  const std::int64_t threads = static_cast<std::int64_t>(helpers_.size()) + 1;
  return std::max(grain, (count + threads - 1) / threads);
}

// A helper counts itself in before it looks whether the loop is open; this thread closes it before it looks at the
// count. So one of them sees the other, and `loop_` is never written while a helper may read it.
void ThreadTeam::run(const Loop& loop) {
  const Use none(nullptr);
  loop_ = loop;
  next_.store(0, std::memory_order_relaxed);
  is_open_.store(true);
  ++loops_;
  if (sleepers_.load() > 0) loops_.notify_all();
  take_pieces();
  is_open_.store(false);
  while (inside_.load() > 0) {
    pause();
    std::this_thread::yield();
  }
  if (error_) std::rethrow_exception(std::exchange(error_, nullptr));
}

void ThreadTeam::take_pieces() {
  for (std::int64_t first; (first = next_.fetch_add(loop_.piece, std::memory_order_relaxed)) < loop_.count;) {
    try {
      loop_.call(loop_.function, first, std::min(first + loop_.piece, loop_.count));
    } catch (...) {
      const std::lock_guard lock(error_mutex_);
      if (!error_) error_ = std::current_exception();
      next_.store(loop_.count, std::memory_order_relaxed);
    }
  }
}

void ThreadTeam::help(const std::stop_token& stop) {
  for (std::uint32_t seen = 0; !stop.stop_requested();) {
    wait_for_loop(seen);
    seen = loops_.load();
    ++inside_;
    if (is_open_.load()) take_pieces();
    --inside_;
  }
}

// Yields now and then: the thread that this one helps may be waiting for the same core.
void ThreadTeam::wait_for_loop(std::uint32_t seen) {
  const auto end = std::chrono::steady_clock::now() + kSpin;
  while (loops_.load() == seen) {
    pause();
    std::this_thread::yield();
    if (std::chrono::steady_clock::now() > end) {
      ++sleepers_;
      loops_.wait(seen);
      --sleepers_;
    }
  }
}

}  // namespace polymoe
