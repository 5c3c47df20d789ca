#include "polymoe/comm/nccl/nccl_communicator.h"

#include <algorithm>
#include <cstring>
#include <exception>
#include <numeric>
#include <utility>

#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/maximum.h>
#include <c10/core/GradMode.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>
#include <nccl.h>

#include "polymoe/base/error.h"
#include "polymoe/base/quote.h"
#include "polymoe/comm/late_ranks.h"
#include "polymoe/comm/nccl/stream_span.h"
#include "polymoe/comm/parts.h"
#include "polymoe/comm/point_to_point.h"

namespace polymoe {
namespace {

// Reductions go through staging memory of so many bytes for each member.
constexpr std::int64_t kChunkBytes = std::int64_t{32} << 20;

void check_nccl(ncclResult_t code, const char* call) {
  if (code != ncclSuccess) fail("{} failed: {}", call, ncclGetErrorString(code));
}

/// What is sent and received between its beginning and its end goes at once.
class NcclGroup {
 public:
  NcclGroup() { check_nccl(ncclGroupStart(), "ncclGroupStart"); }
  // After a failure in between: else all that follows would wait for an end that never comes.
  ~NcclGroup() {
    if (!ended_) ncclGroupEnd();
  }
  NcclGroup(const NcclGroup&) = delete;
  NcclGroup& operator=(const NcclGroup&) = delete;
  void end() {
    ended_ = true;
    check_nccl(ncclGroupEnd(), "ncclGroupEnd");
  }

 private:
  bool ended_ = false;
};

/// One view for each member, one after the other.
std::vector<at::Tensor> consecutive(const at::Tensor& x, const std::vector<std::int64_t>& counts) {
  return x.view(-1).split_with_sizes(counts);
}

std::vector<std::int64_t> even_counts(std::int64_t elements, int size) {
  std::vector<std::int64_t> counts;
  for (int rank = 0; rank < size; ++rank) counts.push_back(part_of(elements, size, rank).count);
  return counts;
}

/// output [count] = the sum or maximum of the rows of `versions` [members, count], in their order.
void reduce_rows(const at::Tensor& versions, const at::Tensor& output, ReduceOp op) {
  const bool narrow = output.scalar_type() == c10::kBFloat16 || output.scalar_type() == c10::kHalf;
  const c10::ScalarType type = narrow ? c10::kFloat : output.scalar_type();
  at::Tensor total = versions[0].to(type, /*non_blocking=*/false, /*copy=*/true);
  for (std::int64_t member = 1; member < versions.size(0); ++member) {
    if (op == ReduceOp::kSum) {
      total.add_(versions[member]);
    } else {
      total = at::maximum(total, versions[member]);
    }
  }
  output.copy_(total);
}

class StreamWork : public Work {
 public:
  StreamWork(std::shared_ptr<const StreamSpan> span, std::shared_ptr<Watchdog> watchdog)
      : span_(std::move(span)), watchdog_(std::move(watchdog)) {}

  void wait() override {
    watchdog_->check();
    span_->make_wait(c10::cuda::getCurrentCUDAStream());
  }

 private:
  std::shared_ptr<const StreamSpan> span_;
  std::shared_ptr<Watchdog> watchdog_;
};

class NcclCommunicator : public Communicator {
 public:
  NcclCommunicator(std::string name, std::unique_ptr<Communicator> host, std::chrono::duration<double> time_out)
      : Communicator(std::move(name), host->world_ranks(), host->rank()),
        host_(std::move(host)),
        time_out_(time_out),
        stream_(c10::cuda::getStreamFromPool(/*isHighPriority=*/true)) {
    ncclUniqueId id{};
    if (rank() == 0) check_nccl(ncclGetUniqueId(&id), "ncclGetUniqueId");
    const at::Tensor bytes = at::empty({static_cast<std::int64_t>(sizeof(id))}, c10::kByte);
    std::memcpy(bytes.mutable_data_ptr(), &id, sizeof(id));
    host_->broadcast(bytes, 0);
    std::memcpy(&id, bytes.const_data_ptr(), sizeof(id));
    check_nccl(ncclCommInitRank(&comm_, size(), id, rank()), "ncclCommInitRank");
    watchdog_ = std::make_shared<Watchdog>(
        Watchdog::Engine{
            .start = [device = stream_.device_index()] { cudaSetDevice(device); },
            .fault = [this] { return fault(); },
            .late = [this](Collective collective, std::int64_t number) { return late(collective, number); },
            // The kernels of an aborted communicator end, so the main thread comes to its next call.
            .abort = [this] { ncclCommAbort(comm_); }},
        time_out_);
  }

  ~NcclCommunicator() override {
    // Others may hold the watchdog longer.
    if (!watchdog_->stop()) return;  // aborted already
    // Where this process fails, the others may never come to what is under way, and destroying would wait for them.
    if (std::uncaught_exceptions() > 0) {
      ncclCommAbort(comm_);
    } else {
      ncclCommDestroy(comm_);
    }
  }

  double seconds() const override { return watchdog_->seconds(); }

  std::unique_ptr<Communicator> make_group(const std::string& name, const std::vector<int>& ranks) override {
    return std::make_unique<NcclCommunicator>(name, host_->make_group(name, ranks), time_out_);
  }

 protected:
  Pending do_all_reduce(const at::Tensor& x, ReduceOp op) override {
    return run(Collective::kAllReduce, [&] {
      if (static_cast<std::int64_t>(x.nbytes()) <= kSmallAllReduceBytes) {
        const at::Tensor versions = at::empty({size(), x.numel()}, x.options());
        gather(x, versions);
        return reduce_rows(versions, x.view(-1), op);
      }
      const std::vector<at::Tensor> parts = consecutive(x, even_counts(x.numel(), size()));
      const at::Tensor& own = parts[static_cast<std::size_t>(rank())];
      reduce_parts(parts, own, op);
      exchange(std::vector<at::Tensor>(parts.size(), own), parts);
    });
  }

  Pending do_reduce_scatter(const at::Tensor& input, const at::Tensor& output) override {
    return run(Collective::kReduceScatter, [&] {
      reduce_parts(consecutive(input, even_counts(input.numel(), size())), output.view(-1), ReduceOp::kSum);
    });
  }

  Pending do_all_gather(const at::Tensor& input, const at::Tensor& output,
                        const std::vector<std::int64_t>& counts) override {
    return run(Collective::kAllGather, [&] {
      const bool even = std::all_of(counts.begin(), counts.end(), [&](auto count) { return count == counts[0]; });
      if (even) return gather(input, output);
      const std::vector<at::Tensor> parts = consecutive(output, counts);
      exchange(std::vector<at::Tensor>(parts.size(), input.view(-1)), parts);
    });
  }

  Pending do_all_to_all(const at::Tensor& input, const std::vector<std::int64_t>& send_counts, const at::Tensor& output,
                        const std::vector<std::int64_t>& receive_counts) override {
    return run(Collective::kAllToAll,
               [&] { exchange(consecutive(input, send_counts), consecutive(output, receive_counts)); });
  }

  Pending do_broadcast(const at::Tensor& x, int root) override {
    return run(Collective::kBroadcast, [&] {
      check_nccl(ncclBroadcast(x.data_ptr(), x.data_ptr(), x.nbytes(), ncclUint8, root, comm_, stream_),
                 "ncclBroadcast");
    });
  }

  void do_barrier() override {
    const at::Tensor token = at::empty({size()}, at::TensorOptions(c10::kByte).device(stream_.device()));
    run(Collective::kBarrier, [&] { gather(token.narrow(0, rank(), 1), token); });
    check_cuda(cudaStreamSynchronize(stream_), "cudaStreamSynchronize");
    watchdog_->check();
  }

  void check_device(const at::Tensor& x) const override {
    if (x.device() != stream_.device()) {
      fail("group {} exchanges tensors on {} only, not on {}", in_quotes(name()), stream_.device().str(),
           x.device().str());
    }
  }

 private:
  template <typename Body>
  Pending run(Collective collective, const Body& body) {
    const auto call = watchdog_->enter();
    const std::int64_t number = begun_++;
    if (Transport* transport = host_transport()) transport->entered(number);
    StreamPoint(c10::cuda::getCurrentCUDAStream()).make_wait(stream_);
    const auto span = std::make_shared<StreamSpan>(stream_);
    {
      const c10::cuda::CUDAStreamGuard on_own_stream(stream_);  // staging memory belongs to this stream too
      const c10::NoGradGuard no_grad;
      body();
    }
    span->end(stream_);
    watchdog_->watch(collective, number, span);
    return std::make_unique<StreamWork>(span, watchdog_);
  }

  Transport* host_transport() const {
    auto* host = dynamic_cast<PointToPointCommunicator*>(host_.get());
    return host == nullptr ? nullptr : &host->transport();
  }

  // On the watchdog's thread. ------------------------------------------------------------------------------------

  std::string fault() const {
    ncclResult_t state = ncclSuccess;
    const ncclResult_t asked = ncclCommGetAsyncError(comm_, &state);
    if (asked != ncclSuccess) state = asked;
    if (state == ncclSuccess || state == ncclInProgress) return {};
    return fmt::format("group {}: NCCL reports {}: {}", in_quotes(name()), ncclGetErrorString(state),
                       ncclGetLastError(comm_));
  }

  std::string late(Collective collective, std::int64_t number) const {
    Transport* transport = host_transport();
    if (transport != nullptr) {
      return time_out_message({collective, name(), world_ranks(), number}, *transport, time_out_);
    }
    return fmt::format("{} in group {} timed out on the GPU", collective_name(collective), in_quotes(name()));
  }

  /// output = all members' inputs of equal size.
  void gather(const at::Tensor& input, const at::Tensor& output) {
    check_nccl(ncclAllGather(input.data_ptr(), output.data_ptr(), input.nbytes(), ncclUint8, comm_, stream_),
               "ncclAllGather");
  }

  /// Sends sends[r] to member r and receives receives[r] from it; both may be empty.
  void exchange(const std::vector<at::Tensor>& sends, const std::vector<at::Tensor>& receives) {
    NcclGroup group;
    for (int peer = 0; peer < size(); ++peer) {
      const at::Tensor &send = sends[static_cast<std::size_t>(peer)],
                       &receive = receives[static_cast<std::size_t>(peer)];
      if (peer == rank()) continue;
      if (send.numel() > 0) {
        check_nccl(ncclSend(send.data_ptr(), send.nbytes(), ncclUint8, peer, comm_, stream_), "ncclSend");
      }
      if (receive.numel() > 0) {
        check_nccl(ncclRecv(receive.data_ptr(), receive.nbytes(), ncclUint8, peer, comm_, stream_), "ncclRecv");
      }
    }
    group.end();
    const auto self = static_cast<std::size_t>(rank());
    if (sends[self].data_ptr() != receives[self].data_ptr()) receives[self].copy_(sends[self]);
  }

  /// output = the sum or maximum of all members' part `rank`, chunk by chunk.
  void reduce_parts(const std::vector<at::Tensor>& parts, const at::Tensor& output, ReduceOp op) {
    const std::int64_t chunk = kChunkBytes / static_cast<std::int64_t>(output.element_size());
    std::int64_t longest = 0;
    for (const at::Tensor& part : parts) longest = std::max(longest, part.numel());
    const at::Tensor staging = at::empty({size(), std::min(chunk, output.numel())}, output.options());
    for (std::int64_t begin = 0; begin < longest; begin += chunk) {
      const auto chunk_of = [&](const at::Tensor& part) {
        const std::int64_t first = std::min(begin, part.numel());
        return part.narrow(0, first, std::min(chunk, part.numel() - first));
      };
      const at::Tensor result = chunk_of(output);
      const at::Tensor versions = staging.narrow(1, 0, result.numel());
      std::vector<at::Tensor> sends;
      for (const at::Tensor& part : parts) sends.push_back(chunk_of(part));
      exchange(sends, versions.unbind(0));
      reduce_rows(versions, result, op);
    }
  }

  std::unique_ptr<Communicator> host_;
  std::chrono::duration<double> time_out_;
  c10::cuda::CUDAStream stream_;
  ncclComm_t comm_ = nullptr;
  std::int64_t begun_ = 0;
  std::shared_ptr<Watchdog> watchdog_;
};

}  // namespace

std::unique_ptr<Communicator> make_nccl_communicator(Communicator& host, const std::string& name,
                                                     std::chrono::duration<double> time_out) {
  std::vector<int> all(static_cast<std::size_t>(host.size()));
  std::iota(all.begin(), all.end(), 0);
  return std::make_unique<NcclCommunicator>(name, host.make_group(name, all), time_out);
}

}  // namespace polymoe
