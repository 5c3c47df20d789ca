#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "polymoe/comm/communicator.h"
#include "polymoe/comm/operation.h"
#include "polymoe/comm/transport.h"

namespace polymoe {

struct PointToPointOptions {
  std::chrono::duration<double> time_out{600};       // without any message of an operation that is waited for
  std::int64_t piece_limit = std::int64_t{1} << 30;  // longer messages are cut; MPI counts in 31 bits
};

/// All collectives over messages between pairs, in host memory. Members exchange directly: a reduce-scatter sends each
/// part to its owner, who adds the parts up in the order of ranks; an all-reduce then gathers the sums. The later
/// phases of an operation happen while this process waits for it or for any other of the same `queue`.
/// One thread at a time uses the groups of a process.
class PointToPointCommunicator : public Communicator {
 public:
  /// `queue`: shared by all groups of the process.
  PointToPointCommunicator(std::string name, std::vector<int> world_ranks, int rank,
                           std::shared_ptr<Transport> transport, std::shared_ptr<OperationQueue> queue,
                           const PointToPointOptions& options);

  /// For those who count operations of their own among the same members.
  Transport& transport() const { return *transport_; }

  std::unique_ptr<Communicator> make_group(const std::string& name, const std::vector<int>& ranks) override;

 protected:
  Pending do_all_reduce(const at::Tensor& x, ReduceOp op) override;
  Pending do_reduce_scatter(const at::Tensor& input, const at::Tensor& output) override;
  Pending do_all_gather(const at::Tensor& input, const at::Tensor& output,
                        const std::vector<std::int64_t>& counts) override;
  Pending do_all_to_all(const at::Tensor& input, const std::vector<std::int64_t>& send_counts, const at::Tensor& output,
                        const std::vector<std::int64_t>& receive_counts) override;
  Pending do_broadcast(const at::Tensor& x, int root) override;
  void do_barrier() override;
  void check_device(const at::Tensor& x) const override;

 private:
  Pending all_reduce_in_one_round(const at::Tensor& x, ReduceOp op);
  Pending begin(Collective collective, std::vector<Step> steps);

  std::shared_ptr<Transport> transport_;
  std::shared_ptr<OperationQueue> queue_;
  PointToPointOptions options_;
  std::int64_t begun_ = 0;
};

}  // namespace polymoe
