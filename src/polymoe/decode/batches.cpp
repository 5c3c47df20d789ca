#include "polymoe/decode/batches.h"

#ifdef _OPENMP
#include <omp.h>
#endif

#include "polymoe/base/parallel_for.h"
#include "polymoe/cancelled.h"
#include "polymoe/tensor/torch_headers.h"

namespace polymoe {
namespace {

void set_own_threads(int count) {
#ifdef _OPENMP
  omp_set_num_threads(count);
#else
  at::set_num_threads(count);
#endif
}

}  // namespace

// LibTorch first sets a thread's number when it is first asked for it.
ComputingThreads::ComputingThreads(int count) : before_(at::get_num_threads()) { set_own_threads(count); }
ComputingThreads::~ComputingThreads() { set_own_threads(before_); }

// One of the at_once() places for a search.
class BatchRunner::Place {
 public:
  Place(BatchRunner& runner, const std::stop_token& stop) : runner_(runner) {
    std::unique_lock lock(runner_.mutex_);
    // A place that is free is taken even then: whoever was woken for it would leave the others asleep.
    const auto is_free = [&] { return runner_.running_ < runner_.at_once_; };
    if (stop.stop_requested() || !runner_.freed_.wait(lock, stop, is_free)) throw Cancelled();
    is_alone_ = ++runner_.running_ == 1;
  }
  ~Place() {
    {
      const std::lock_guard lock(runner_.mutex_);
      --runner_.running_;
    }
    runner_.freed_.notify_one();
  }
  Place(const Place&) = delete;
  Place& operator=(const Place&) = delete;

  bool is_alone() const { return is_alone_; }

 private:
  BatchRunner& runner_;
  bool is_alone_ = false;
};

BatchRunner::BatchRunner(const DecodingModel& model)
    : threads_(at::get_num_threads()), at_once_(model.is_thread_safe() ? threads_ : 1) {
  if (at_once_ > 1) team_ = std::make_unique<ThreadTeam>(threads_);
}

void BatchRunner::run(std::size_t count, const std::function<void(std::size_t)>& search, const std::stop_token& stop) {
  if (at_once_ == 1 || count < 2) {
    for (std::size_t i = 0; i < count; ++i) {
      const Place place(*this, stop);
      const ComputingThreads threads(team_ == nullptr ? threads_ : 1);
      const ThreadTeam::Use team(place.is_alone() ? team_.get() : nullptr);
      search(i);
    }
    return;
  }
  parallel_for(count, static_cast<std::size_t>(at_once_), [&](std::size_t i) {
    const Place place(*this, stop);
    const ComputingThreads alone(1);
    const at::NoGradGuard no_grad;
    search(i);
  });
}

}  // namespace polymoe
