#include "comm/nccl/watchdog.h"

#include <utility>

#include "base/error.h"

namespace polymoe {

void check_cuda(cudaError_t code, const char* call) {
  if (code != cudaSuccess) fail("{} failed: {}", call, cudaGetErrorString(code));
}

StreamEvent::StreamEvent(cudaStream_t stream) {
  check_cuda(cudaEventCreateWithFlags(&event_, cudaEventDisableTiming), "cudaEventCreate");
  check_cuda(cudaEventRecord(event_, stream), "cudaEventRecord");
}

void StreamEvent::make_wait(cudaStream_t stream) const {
  check_cuda(cudaStreamWaitEvent(stream, event_, 0), "cudaStreamWaitEvent");
}

Watchdog::Watchdog(std::chrono::duration<double> time_out, std::function<std::string(Collective, std::int64_t)> late)
    : time_out_(time_out), late_(std::move(late)), thread_([this] { look(); }) {}

void Watchdog::stop() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  ending_changed_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void Watchdog::watch(Collective collective, std::int64_t number, std::shared_ptr<StreamEvent> end) {
  const std::lock_guard lock(mutex_);
  watched_.push_back({collective, number, std::move(end), std::chrono::steady_clock::now()});
}

void Watchdog::check() {
  const std::lock_guard lock(mutex_);
  if (!failure_.empty()) throw Error(failure_);
}

void Watchdog::look() {
  constexpr auto kPause = std::chrono::milliseconds(100);
  std::unique_lock lock(mutex_);
  while (!ending_changed_.wait_for(lock, kPause, [this] { return ending_; })) {
    const auto now = std::chrono::steady_clock::now();
    while (!watched_.empty() && watched_.front().end->passed()) {
      watched_.pop_front();
      // What comes behind could not begin before: its time counts from here.
      if (!watched_.empty()) watched_.front().since = now;
    }
    if (watched_.empty() || now - watched_.front().since < time_out_) continue;
    const Watched late = watched_.front();
    lock.unlock();  // the question takes seconds
    std::string failure = late_(late.collective, late.number);
    lock.lock();
    failure_ = std::move(failure);
    return;
  }
}

}  // namespace polymoe
