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

#include "polymoe/comm/communicator.h"

namespace polymoe {

/// An operation that a device was given.
class DeviceOperation {
 public:
  virtual ~DeviceOperation() = default;
  virtual bool ended() const = 0;
  /// How long the device was at it; once it has ended.
  virtual double seconds() const = 0;
};

/// A thread that looks whether operations on a device end, and in time: nothing on the host waits for them. When one is
/// late, or the engine that carries them reports a fault, the engine is aborted, and whoever asks gets the failure.
class Watchdog {
 public:
  /// What carries the operations. All are called on the watchdog's thread.
  struct Engine {
    std::function<void()> start;         ///< first of all: selects the device, say
    std::function<std::string()> fault;  ///< what went wrong, asked again and again; empty: nothing
    /// An operation is late: the message of the failure. Called once.
    std::function<std::string(Collective collective, std::int64_t number)> late;
    /// Ends what is under way. Called once, after which nobody gets into the engine any more.
    std::function<void()> abort;
  };

  /// `grace`: how long abort() waits for a call that is in the engine. One that takes longer hangs there, and abort()
  /// is what ends it.
  Watchdog(Engine engine, std::chrono::duration<double> time_out,
           std::chrono::duration<double> grace = std::chrono::seconds(5));
  ~Watchdog() { stop(); }
  Watchdog(const Watchdog&) = delete;
  Watchdog& operator=(const Watchdog&) = delete;

  /// The right to call the engine, as long as it is held: it is not aborted meanwhile. Throws Error after a failure.
  std::unique_lock<std::timed_mutex> enter();
  void watch(Collective collective, std::int64_t number, std::shared_ptr<const DeviceOperation> operation);
  /// Throws Error after a failure.
  void check();
  /// That the device was at operations which have ended.
  double seconds();
  /// Ends the thread. Whether the engine still stands, that is, was not aborted.
  bool stop();

 private:
  struct Watched {
    Collective collective;
    std::int64_t number;
    std::shared_ptr<const DeviceOperation> operation;
    std::chrono::steady_clock::time_point since;
  };
  void look();
  void sweep();
  std::string failure_now(std::unique_lock<std::mutex>& lock);

  Engine engine_;
  std::chrono::duration<double> time_out_, grace_;
  std::timed_mutex in_engine_;
  std::mutex mutex_;  // of all below
  std::condition_variable ending_changed_;
  bool ending_ = false, aborted_ = false;
  std::deque<Watched> watched_;  // in the order of the stream
  double seconds_ = 0.0;
  std::string failure_;
  std::thread thread_;
};

}  // namespace polymoe
