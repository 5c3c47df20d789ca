#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "polymoe/base/error.h"

namespace at {
class Tensor;
}

/// Collective operations among the processes of a group. All members call the same operations of a group in the same
/// order; what they call on different groups is independent. Tensors are contiguous and live where the communicator
/// computes (host memory for MPI, the GPU for NCCL).
namespace polymoe {

enum class Collective { kAllReduce, kReduceScatter, kAllGather, kAllToAll, kBroadcast, kBarrier };
inline constexpr std::size_t kNumCollectives = 6;

/// "all-reduce", "all-to-all", ...
const char* collective_name(Collective collective);

enum class ReduceOp { kSum, kMax };

/// All-reduces up to this size are one round of messages: more bytes, but half the waiting.
inline constexpr std::int64_t kSmallAllReduceBytes = 1024;

/// What one process has asked of a group so far. `bytes` counts the payload that this process sends to other members:
/// of B bytes, an all-reduce sends 2 B (n - 1) / n, a reduce-scatter and an all-gather (of B bytes in all) B (n - 1) /
/// n, an all-to-all what its send counts say without the own part, a broadcast B (n - 1) / n from each member (as a
/// scatter and an all-gather would; the sum over the members is what is sent), a barrier nothing. Where n does not
/// divide, the true sizes of the parts count. An all-reduce of at most kSmallAllReduceBytes is one round in which all
/// send theirs to all: B (n - 1).
struct CollectiveCount {
  std::int64_t calls = 0;
  std::int64_t bytes = 0;

  bool operator==(const CollectiveCount&) const = default;
};
using CollectiveCounts = std::array<CollectiveCount, kNumCollectives>;

/// A collective under way. Its tensors may be neither read nor written nor freed before wait().
class Work {
 public:
  virtual ~Work() = default;
  /// Returns when this process's results are there. May be called once. Throws Error with the collective, the group
  /// and the late ranks when the time-out passes.
  virtual void wait() = 0;
};
using Pending = std::unique_ptr<Work>;

class Communicator {
 public:
  /// `world_ranks`: the members, in the order of their ranks in this group; `rank`: this process's place among them.
  Communicator(std::string name, std::vector<int> world_ranks, int rank);
  virtual ~Communicator() = default;
  Communicator(const Communicator&) = delete;
  Communicator& operator=(const Communicator&) = delete;

  const std::string& name() const { return name_; }
  int rank() const { return rank_; }
  int size() const { return static_cast<int>(world_ranks_.size()); }
  const std::vector<int>& world_ranks() const { return world_ranks_; }

  // Each start_ begins an operation and returns at once; the plain name also waits. Element types: float32, float64,
  // bfloat16 and float16 (sums accumulate in float32), int64; the moving ones (all-gather, all-to-all, broadcast) take
  // any type. Sums are taken in the order of ranks, so every member gets the same bits, and the same in every run.

  /// x = the sum (or maximum) of all members' x, in place.
  void all_reduce(const at::Tensor& x, ReduceOp op = ReduceOp::kSum) { start_all_reduce(x, op)->wait(); }
  Pending start_all_reduce(const at::Tensor& x, ReduceOp op = ReduceOp::kSum);

  /// output [k] = part `rank` of the sum of all members' input [size * k].
  void reduce_scatter(const at::Tensor& input, const at::Tensor& output) {
    start_reduce_scatter(input, output)->wait();
  }
  Pending start_reduce_scatter(const at::Tensor& input, const at::Tensor& output);

  /// output = all members' inputs, one after the other. `counts` gives the elements of each member's input; empty: all
  /// as many as here. `input` may be the own part of `output`.
  void all_gather(const at::Tensor& input, const at::Tensor& output, const std::vector<std::int64_t>& counts = {}) {
    start_all_gather(input, output, counts)->wait();
  }
  Pending start_all_gather(const at::Tensor& input, const at::Tensor& output,
                           const std::vector<std::int64_t>& counts = {});

  /// Sends send_counts[r] elements of `input` to member r, in order, and receives receive_counts[r] elements from it
  /// into `output`, in order. Counts may be 0.
  void all_to_all(const at::Tensor& input, const std::vector<std::int64_t>& send_counts, const at::Tensor& output,
                  const std::vector<std::int64_t>& receive_counts) {
    start_all_to_all(input, send_counts, output, receive_counts)->wait();
  }
  Pending start_all_to_all(const at::Tensor& input, const std::vector<std::int64_t>& send_counts,
                           const at::Tensor& output, const std::vector<std::int64_t>& receive_counts);

  /// x = the x of member `root`.
  void broadcast(const at::Tensor& x, int root);

  /// Returns when all members have come here.
  void barrier();

  /// A group of some members of this one, given by their ranks here. Called by those members only, all in the same
  /// order of calls.
  virtual std::unique_ptr<Communicator> make_group(const std::string& name, const std::vector<int>& ranks) = 0;

  const CollectiveCount& count(Collective collective) const { return counts_[static_cast<std::size_t>(collective)]; }
  const CollectiveCounts& counts() const { return counts_; }
  /// Seconds that this process has spent in this group's operations: starting them, waiting for others, summing. Of
  /// operations on a GPU those that the GPU was at them, whether or not it computed beside them.
  virtual double seconds() const { return seconds_; }

 protected:
  virtual Pending do_all_reduce(const at::Tensor& x, ReduceOp op) = 0;
  virtual Pending do_reduce_scatter(const at::Tensor& input, const at::Tensor& output) = 0;
  virtual Pending do_all_gather(const at::Tensor& input, const at::Tensor& output,
                                const std::vector<std::int64_t>& counts) = 0;
  virtual Pending do_all_to_all(const at::Tensor& input, const std::vector<std::int64_t>& send_counts,
                                const at::Tensor& output, const std::vector<std::int64_t>& receive_counts) = 0;
  virtual Pending do_broadcast(const at::Tensor& x, int root) = 0;
  virtual void do_barrier() = 0;
  /// Throws Error for a tensor that lives where this communicator does not compute.
  virtual void check_device(const at::Tensor& /*x*/) const {}

 private:
  void add(Collective collective, std::int64_t bytes);

  std::string name_;
  std::vector<int> world_ranks_;
  int rank_;
  CollectiveCounts counts_{};
  double seconds_ = 0.0;
};

/// A group of this process alone: results are copies, nothing is sent, calls are counted with 0 bytes.
std::unique_ptr<Communicator> make_self_communicator(const std::string& name = "self");

/// Every member's text, by rank. For small messages (errors, checksums), not for tensors.
std::vector<std::string> all_gather_texts(Communicator& group, const std::string& text);

/// What all members of a group throw because one of them failed, or all did.
class SharedError : public Error {
 public:
  SharedError(const std::string& message, std::optional<int> world_rank) : Error(message), world_rank_(world_rank) {}
  /// Who failed; none where all members made the same mistake.
  std::optional<int> world_rank() const { return world_rank_; }

 private:
  std::optional<int> world_rank_;
};

/// Runs `work` and lets the members agree on how it went: when it threw anywhere, every member throws, after all have
/// come here: the lowest rank that failed what it caught, the others a SharedError with its message. Where all failed
/// with the same message, all throw a SharedError of no rank. For work that may fail on one rank (disk full) while the
/// others would wait for it. `work` itself must not use the group.
void run_collectively(Communicator& group, const std::function<void()>& work);

}  // namespace polymoe
