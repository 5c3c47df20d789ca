#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include <cuda_runtime_api.h>

#include "comm/communicator.h"

namespace polymoe {

/// A point in a stream's work.
class StreamEvent {
 public:
  explicit StreamEvent(cudaStream_t stream);
  ~StreamEvent() { cudaEventDestroy(event_); }
  StreamEvent(const StreamEvent&) = delete;
  StreamEvent& operator=(const StreamEvent&) = delete;

  void make_wait(cudaStream_t stream) const;
  bool passed() const { return cudaEventQuery(event_) != cudaErrorNotReady; }

 private:
  cudaEvent_t event_ = nullptr;
};

/// Throws Error when a call of the CUDA runtime returned anything but success.
void check_cuda(cudaError_t code, const char* call);

/// A thread that looks whether operations on a GPU end in time: nothing on the host waits for them.
class Watchdog {
 public:
  /// `late` is called on the thread, once, with the first operation that is late; it returns the message of the
  /// failure.
  Watchdog(std::chrono::duration<double> time_out, std::function<std::string(Collective, std::int64_t number)> late);
  ~Watchdog() { stop(); }
  Watchdog(const Watchdog&) = delete;
  Watchdog& operator=(const Watchdog&) = delete;

  void watch(Collective collective, std::int64_t number, std::shared_ptr<StreamEvent> end);
  /// Ends the thread: `late` is not called any more.
  void stop();
  /// Throws Error when an operation was late.
  void check();

 private:
  struct Watched {
    Collective collective;
    std::int64_t number;
    std::shared_ptr<StreamEvent> end;
    std::chrono::steady_clock::time_point since;
  };
  void look();

  std::chrono::duration<double> time_out_;
  std::function<std::string(Collective, std::int64_t)> late_;
  std::mutex mutex_;  // of all below
  std::condition_variable ending_changed_;
  bool ending_ = false;
  std::deque<Watched> watched_;  // in the order of the stream
  std::string failure_;
  std::thread thread_;
};

}  // namespace polymoe
