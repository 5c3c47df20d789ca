#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <stop_token>

#include "polymoe/base/thread_team.h"
#include "polymoe/inference/decoding_model.h"

namespace polymoe {

/// Sets the number of threads that the calling thread computes with, until it goes. at::set_num_threads() would set it
/// for threads that begin later, too, which may be a caller's.
class ComputingThreads {
 public:
  explicit ComputingThreads(int count);
  ~ComputingThreads();
  ComputingThreads(const ComputingThreads&) = delete;
  ComputingThreads& operator=(const ComputingThreads&) = delete;

 private:
  int before_;
};

/// Searches the batches of one model, of all callers together no more than at_once() at the same time. Threads that
/// each search a batch are faster than threads that share every product. Thread-safe.
class BatchRunner {
 public:
  /// As many at once as LibTorch has threads now where the model lets threads share it, else one.
  explicit BatchRunner(const DecodingModel& model);

  std::int64_t at_once() const { return at_once_; }

  /// Calls search(i) for each i below `count`, in order of i but several of them at the same time, each on a thread of
  /// its own that computes alone. What has no other beside it is searched with all threads. The first exception is
  /// thrown once all threads have ended; Cancelled where `stop` asks for it before a search begins.
  void run(std::size_t count, const std::function<void(std::size_t)>& search, const std::stop_token& stop = {});

 private:
  class Place;

  int threads_;
  std::int64_t at_once_;
  std::unique_ptr<ThreadTeam> team_;  // shared by a search that runs alone; null where LibTorch's threads compute
  std::mutex mutex_;
  std::condition_variable_any freed_;
  std::int64_t running_ = 0;
};

}  // namespace polymoe
