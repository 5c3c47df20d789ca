#include "polymoe/comm/point_to_point.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include <ATen/core/Tensor.h>

#include "polymoe/base/error.h"
#include "polymoe/base/quote.h"
#include "polymoe/comm/parts.h"
#include "polymoe/comm/reduce.h"

namespace polymoe {
namespace {

class OperationWork : public Work {
 public:
  OperationWork(std::shared_ptr<Operation> operation, std::shared_ptr<OperationQueue> queue)
      : operation_(std::move(operation)), queue_(std::move(queue)) {}
  void wait() override { queue_->wait_for(*operation_); }

 private:
  std::shared_ptr<Operation> operation_;
  std::shared_ptr<OperationQueue> queue_;
};

// Pieces that are sent and pieces that are received are of one type, hence not const.
std::byte* bytes_of(const at::Tensor& x) { return static_cast<std::byte*>(x.data_ptr()); }

std::int64_t element_size_of(const at::Tensor& x) { return static_cast<std::int64_t>(x.element_size()); }

/// One piece for each member, one after the other from `data` on.
std::vector<Piece> consecutive(std::byte* data, const std::vector<std::int64_t>& counts, std::int64_t element_size) {
  std::vector<Piece> pieces;
  for (const std::int64_t count : counts) {
    pieces.push_back({static_cast<int>(pieces.size()), data, count * element_size});
    data += count * element_size;
  }
  return pieces;
}

std::vector<std::int64_t> even_counts(std::int64_t elements, int size) {
  std::vector<std::int64_t> counts;
  for (int rank = 0; rank < size; ++rank) counts.push_back(part_of(elements, size, rank).count);
  return counts;
}

/// The same piece to every member.
std::vector<Piece> to_all(const Piece& piece, int size) {
  std::vector<Piece> pieces(static_cast<std::size_t>(size), piece);
  for (int rank = 0; rank < size; ++rank) pieces[static_cast<std::size_t>(rank)].peer = rank;
  return pieces;
}

std::vector<Piece> without(std::vector<Piece> pieces, int peer) {
  std::erase_if(pieces, [peer](const Piece& piece) { return piece.peer == peer; });
  return pieces;
}

void copy(const Piece& from, const Piece& to) {
  if (from.bytes > 0 && from.data != to.data) std::memcpy(to.data, from.data, static_cast<std::size_t>(from.bytes));
}

/// A step that begins this exchange.
Step exchanging(std::vector<Piece> sends, std::vector<Piece> receives) {
  return [sends = std::move(sends), receives = std::move(receives)](const Exchange& exchange) {
    return exchange(sends, receives);
  };
}

/// A step that only computes. What it captures lives as long as the operation.
template <typename F>
Step computing(F compute) {
  return [compute = std::move(compute)](const Exchange&) {
    compute();
    return std::unique_ptr<Transfer>();
  };
}

/// A step for the end of an operation that keeps its tensors alive until then.
Step keeping(std::vector<at::Tensor> tensors) {
  return computing([tensors = std::move(tensors)] {});
}

/// The first steps of a reduction: every member's version of the own part arrives, and their sum goes to `output`.
std::vector<Step> reduction(const std::vector<Piece>& parts, int rank, std::byte* output, const at::Tensor& like,
                            ReduceOp op) {
  const Piece own = parts[static_cast<std::size_t>(rank)];
  const std::int64_t count = own.bytes / element_size_of(like);
  const auto members = static_cast<std::int64_t>(parts.size());
  // A tensor, so that it shares the memory of tensors and counts as theirs does.
  const at::Tensor memory = like.new_empty({own.bytes * (members - 1)}, like.options().dtype(c10::kByte));
  std::vector<Piece> staging;
  std::vector<const std::byte*> versions;
  std::byte* free = bytes_of(memory);
  for (const Piece& part : parts) {
    versions.push_back(part.peer == rank ? own.data : free);
    if (part.peer == rank) continue;
    staging.push_back({part.peer, free, own.bytes});
    free += own.bytes;
  }
  return {exchanging(without(parts, rank), staging),
          computing([memory, versions, output, count, type = like.scalar_type(), op] {
            reduce_parts(versions, output, count, type, op);
          })};
}

}  // namespace

PointToPointCommunicator::PointToPointCommunicator(std::string name, std::vector<int> world_ranks, int rank,
                                                   std::shared_ptr<Transport> transport,
                                                   std::shared_ptr<OperationQueue> queue,
                                                   const PointToPointOptions& options)
    : Communicator(std::move(name), std::move(world_ranks), rank),
      transport_(std::move(transport)),
      queue_(std::move(queue)),
      options_(options) {}

std::unique_ptr<Communicator> PointToPointCommunicator::make_group(const std::string& name,
                                                                   const std::vector<int>& ranks) {
  std::vector<int> members;
  for (const int r : ranks) {
    if (r < 0 || r >= size()) {
      fail("group {}: there is no rank {} in group {}", in_quotes(name), r, in_quotes(this->name()));
    }
    members.push_back(world_ranks()[static_cast<std::size_t>(r)]);
  }
  const auto own = std::find(ranks.begin(), ranks.end(), rank());
  if (own == ranks.end()) fail("group {}: rank {} makes it but is not in it", in_quotes(name), rank());
  return std::make_unique<PointToPointCommunicator>(name, std::move(members), static_cast<int>(own - ranks.begin()),
                                                    transport_->subgroup(name, ranks), queue_, options_);
}

void PointToPointCommunicator::check_device(const at::Tensor& x) const {
  if (!x.is_cpu()) fail("group {} exchanges tensors in host memory only", in_quotes(name()));
}

Pending PointToPointCommunicator::begin(Collective collective, std::vector<Step> steps) {
  const std::int64_t number = begun_++;
  transport_->entered(number);
  auto operation = std::make_shared<Operation>(OperationName{collective, name(), world_ranks(), number}, transport_,
                                               std::move(steps), options_.piece_limit);
  queue_->begin(operation);
  return std::make_unique<OperationWork>(std::move(operation), queue_);
}

Pending PointToPointCommunicator::do_all_reduce(const at::Tensor& x, ReduceOp op) {
  if (static_cast<std::int64_t>(x.nbytes()) <= kSmallAllReduceBytes) return all_reduce_in_one_round(x, op);
  const std::vector<Piece> parts = consecutive(bytes_of(x), even_counts(x.numel(), size()), element_size_of(x));
  const Piece own = parts[static_cast<std::size_t>(rank())];
  std::vector<Step> steps = reduction(parts, rank(), own.data, x, op);
  steps.push_back(exchanging(without(to_all(own, size()), rank()), without(parts, rank())));
  steps.push_back(keeping({x}));
  return begin(Collective::kAllReduce, std::move(steps));
}

Pending PointToPointCommunicator::all_reduce_in_one_round(const at::Tensor& x, ReduceOp op) {
  const Piece own{rank(), bytes_of(x), static_cast<std::int64_t>(x.nbytes())};
  std::vector<Step> steps = reduction(to_all(own, size()), rank(), own.data, x, op);
  steps.push_back(keeping({x}));
  return begin(Collective::kAllReduce, std::move(steps));
}

Pending PointToPointCommunicator::do_reduce_scatter(const at::Tensor& input, const at::Tensor& output) {
  const std::vector<Piece> parts =
      consecutive(bytes_of(input), even_counts(input.numel(), size()), element_size_of(input));
  std::vector<Step> steps = reduction(parts, rank(), bytes_of(output), input, ReduceOp::kSum);
  steps.push_back(keeping({input, output}));
  return begin(Collective::kReduceScatter, std::move(steps));
}

Pending PointToPointCommunicator::do_all_gather(const at::Tensor& input, const at::Tensor& output,
                                                const std::vector<std::int64_t>& counts) {
  const std::vector<Piece> parts = consecutive(bytes_of(output), counts, element_size_of(output));
  const Piece own{rank(), bytes_of(input), static_cast<std::int64_t>(input.nbytes())};
  copy(own, parts[static_cast<std::size_t>(rank())]);
  return begin(Collective::kAllGather,
               {exchanging(without(to_all(own, size()), rank()), without(parts, rank())), keeping({input, output})});
}

Pending PointToPointCommunicator::do_all_to_all(const at::Tensor& input, const std::vector<std::int64_t>& send_counts,
                                                const at::Tensor& output,
                                                const std::vector<std::int64_t>& receive_counts) {
  const std::vector<Piece> sends = consecutive(bytes_of(input), send_counts, element_size_of(input));
  const std::vector<Piece> receives = consecutive(bytes_of(output), receive_counts, element_size_of(output));
  const auto self = static_cast<std::size_t>(rank());
  copy(sends[self], receives[self]);
  return begin(Collective::kAllToAll,
               {exchanging(without(sends, rank()), without(receives, rank())), keeping({input, output})});
}

// The root sends each member its part, which that member hands on to the others. The root's own part comes from the
// root itself. So every member sends about one whole x, and no link is the bottleneck.
Pending PointToPointCommunicator::do_broadcast(const at::Tensor& x, int root) {
  const std::vector<Piece> parts = consecutive(bytes_of(x), even_counts(x.numel(), size()), element_size_of(x));
  const Piece roots = parts[static_cast<std::size_t>(root)];
  std::vector<Step> steps;
  if (rank() == root) {
    std::vector<Piece> sends;
    for (const Piece& part : without(parts, root)) {
      sends.push_back(part);
      sends.push_back({part.peer, roots.data, roots.bytes});
    }
    steps.push_back(exchanging(std::move(sends), {}));
  } else {
    const Piece own = parts[static_cast<std::size_t>(rank())];
    steps.push_back(exchanging({}, {{root, own.data, own.bytes}, roots}));
    steps.push_back(
        exchanging(without(without(to_all(own, size()), rank()), root), without(without(parts, rank()), root)));
  }
  steps.push_back(keeping({x}));
  return begin(Collective::kBroadcast, std::move(steps));
}

// In round k each member tells the one 2^k further, and hears from the one 2^k before: after log2(size) rounds each has
// heard from all, at first, second or later hand.
void PointToPointCommunicator::do_barrier() {
  const std::shared_ptr<std::byte[]> token = std::make_shared<std::byte[]>(2);
  std::vector<Step> steps;
  for (int distance = 1; distance < size(); distance *= 2) {
    const int next = (rank() + distance) % size(), previous = (rank() + size() - distance % size()) % size();
    steps.push_back([token, next, previous](const Exchange& exchange) {
      return exchange({{next, token.get(), 1}}, {{previous, token.get() + 1, 1}});
    });
  }
  begin(Collective::kBarrier, std::move(steps))->wait();
}

}  // namespace polymoe
