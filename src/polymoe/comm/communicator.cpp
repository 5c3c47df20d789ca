#include "polymoe/comm/communicator.h"

#include <chrono>
#include <numeric>
#include <utility>

#include <ATen/core/Tensor.h>

#include "polymoe/base/error.h"
#include "polymoe/base/quote.h"
#include "polymoe/comm/parts.h"

namespace polymoe {
namespace {

/// The checks of one call. Every message begins with what was called, on which group.
class Checks {
 public:
  Checks(Collective collective, const Communicator& group) : collective_(collective), group_(group) {}

  template <typename... Args>
  void operator()(bool holds, fmt::format_string<Args...> format, Args&&... args) const {
    if (holds) return;
    fail("{} in group {}: {}", collective_name(collective_), in_quotes(group_.name()),
         fmt::format(format, std::forward<Args>(args)...));
  }

  void dense(const char* what, const at::Tensor& x) const {
    (*this)(x.defined(), "{} is an undefined tensor", what);
    (*this)(x.layout() == c10::kStrided && x.is_contiguous(), "{} is not contiguous", what);
  }
  void reducible(const at::Tensor& x) const {
    const c10::ScalarType type = x.scalar_type();
    (*this)(type == c10::kFloat || type == c10::kDouble || type == c10::kBFloat16 || type == c10::kHalf ||
                type == c10::kLong,
            "cannot reduce values of type {}", c10::toString(type));
  }
  void alike(const at::Tensor& input, const at::Tensor& output) const {
    (*this)(input.scalar_type() == output.scalar_type(), "the input is of type {}, the output of type {}",
            c10::toString(input.scalar_type()), c10::toString(output.scalar_type()));
  }
  /// One count for each member, and together as many as `x` holds.
  void counts(const char* what, const std::vector<std::int64_t>& counts, const char* tensor,
              const at::Tensor& x) const {
    (*this)(counts.size() == static_cast<std::size_t>(group_.size()), "{} {} for {} members", counts.size(), what,
            group_.size());
    for (const std::int64_t count : counts) (*this)(count >= 0, "{}: {} is negative", what, count);
    const std::int64_t sum = std::accumulate(counts.begin(), counts.end(), std::int64_t{0});
    (*this)(sum == x.numel(), "the {} sum to {} elements, the {} holds {}", what, sum, tensor, x.numel());
  }

 private:
  Collective collective_;
  const Communicator& group_;
};

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point begin) { return std::chrono::duration<double>(Clock::now() - begin).count(); }

/// Adds the time of wait() to a group's.
class TimedWork : public Work {
 public:
  TimedWork(Pending work, double& seconds) : work_(std::move(work)), seconds_(seconds) {}
  void wait() override {
    const auto begin = Clock::now();
    work_->wait();
    seconds_ += seconds_since(begin);
  }

 private:
  Pending work_;
  double& seconds_;
};

/// Starts an operation and adds its time to a group's.
template <typename Start>
Pending timed(double& seconds, const Start& start) {
  const auto begin = Clock::now();
  Pending work = start();
  seconds += seconds_since(begin);
  return std::make_unique<TimedWork>(std::move(work), seconds);
}

}  // namespace

const char* collective_name(Collective collective) {
  switch (collective) {
    case Collective::kAllReduce:
      return "all-reduce";
    case Collective::kReduceScatter:
      return "reduce-scatter";
    case Collective::kAllGather:
      return "all-gather";
    case Collective::kAllToAll:
      return "all-to-all";
    case Collective::kBroadcast:
      return "broadcast";
    case Collective::kBarrier:
      return "barrier";
  }
  return "";
}

Communicator::Communicator(std::string name, std::vector<int> world_ranks, int rank)
    : name_(std::move(name)), world_ranks_(std::move(world_ranks)), rank_(rank) {
  if (rank_ < 0 || rank_ >= size()) fail("group {}: rank {} of {} members", in_quotes(name_), rank_, size());
}

Pending Communicator::start_all_reduce(const at::Tensor& x, ReduceOp op) {
  const Checks check(Collective::kAllReduce, *this);
  check.dense("the tensor", x);
  check.reducible(x);
  check_device(x);
  const auto total = static_cast<std::int64_t>(x.nbytes());
  if (total <= kSmallAllReduceBytes) {
    add(Collective::kAllReduce, total * (size() - 1));
  } else {
    const std::int64_t own = part_of(x.numel(), size(), rank_).count * static_cast<std::int64_t>(x.element_size());
    add(Collective::kAllReduce, total - own + own * (size() - 1));
  }
  return timed(seconds_, [&] { return do_all_reduce(x, op); });
}

Pending Communicator::start_reduce_scatter(const at::Tensor& input, const at::Tensor& output) {
  const Checks check(Collective::kReduceScatter, *this);
  check.dense("the input", input);
  check.dense("the output", output);
  check.reducible(input);
  check.alike(input, output);
  check(input.numel() == size() * output.numel(), "the input holds {} elements, not {} times the output's {}",
        input.numel(), size(), output.numel());
  check_device(input);
  check_device(output);
  add(Collective::kReduceScatter, static_cast<std::int64_t>(output.nbytes()) * (size() - 1));
  return timed(seconds_, [&] { return do_reduce_scatter(input, output); });
}

Pending Communicator::start_all_gather(const at::Tensor& input, const at::Tensor& output,
                                       const std::vector<std::int64_t>& counts) {
  const Checks check(Collective::kAllGather, *this);
  check.dense("the input", input);
  check.dense("the output", output);
  check.alike(input, output);
  const std::vector<std::int64_t>& of_each =
      counts.empty() ? std::vector<std::int64_t>(static_cast<std::size_t>(size()), input.numel()) : counts;
  check.counts("counts", of_each, "output", output);
  const std::int64_t own = of_each[static_cast<std::size_t>(rank_)];
  check(own == input.numel(), "the input holds {} elements, its count says {}", input.numel(), own);
  check_device(input);
  check_device(output);
  add(Collective::kAllGather, static_cast<std::int64_t>(input.nbytes()) * (size() - 1));
  return timed(seconds_, [&] { return do_all_gather(input, output, of_each); });
}

Pending Communicator::start_all_to_all(const at::Tensor& input, const std::vector<std::int64_t>& send_counts,
                                       const at::Tensor& output, const std::vector<std::int64_t>& receive_counts) {
  const Checks check(Collective::kAllToAll, *this);
  check.dense("the input", input);
  check.dense("the output", output);
  check.alike(input, output);
  check.counts("send counts", send_counts, "input", input);
  check.counts("receive counts", receive_counts, "output", output);
  const auto self = static_cast<std::size_t>(rank_);
  check(send_counts[self] == receive_counts[self], "sends {} elements to itself, but receives {}", send_counts[self],
        receive_counts[self]);
  check_device(input);
  check_device(output);
  const auto element_size = static_cast<std::int64_t>(input.element_size());
  add(Collective::kAllToAll, (input.numel() - send_counts[self]) * element_size);
  return timed(seconds_, [&] { return do_all_to_all(input, send_counts, output, receive_counts); });
}

void Communicator::broadcast(const at::Tensor& x, int root) {
  const Checks check(Collective::kBroadcast, *this);
  check.dense("the tensor", x);
  check(root >= 0 && root < size(), "the root is rank {}, but there are {} members", root, size());
  check_device(x);
  const std::int64_t others = x.numel() - part_of(x.numel(), size(), rank_).count;
  add(Collective::kBroadcast, others * static_cast<std::int64_t>(x.element_size()));
  timed(seconds_, [&] { return do_broadcast(x, root); })->wait();
}

void Communicator::barrier() {
  add(Collective::kBarrier, 0);
  const auto begin = Clock::now();
  do_barrier();
  seconds_ += seconds_since(begin);
}

void Communicator::add(Collective collective, std::int64_t bytes) {
  CollectiveCount& count = counts_[static_cast<std::size_t>(collective)];
  ++count.calls;
  count.bytes += bytes;
}

}  // namespace polymoe
