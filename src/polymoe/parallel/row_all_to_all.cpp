#include "polymoe/parallel/row_all_to_all.h"

#include <algorithm>
#include <numeric>

#include "polymoe/base/error.h"
#include "polymoe/tensor/torch_headers.h"

namespace polymoe {
namespace {

std::vector<std::int64_t> times(std::vector<std::int64_t> counts, std::int64_t factor) {
  for (std::int64_t& count : counts) count *= factor;
  return counts;
}

RowsUnderWay start_rows(Communicator& group, const at::Tensor& rows, const std::vector<std::int64_t>& send,
                        const std::vector<std::int64_t>& receive) {
  const std::int64_t width = rows.size(1);
  RowsUnderWay under_way{rows.contiguous(), at::empty({sum_of(receive), width}, rows.options()), nullptr};
  under_way.pending =
      group.start_all_to_all(under_way.sent, times(send, width), under_way.received, times(receive, width));
  return under_way;
}

at::Tensor finish_rows(RowsUnderWay under_way) {
  if (under_way.pending) under_way.pending->wait();
  return under_way.received;
}

class FlatExchange : public RowAllToAll {
 public:
  explicit FlatExchange(Communicator& group) : group_(group) {}
  Communicator& group() const override { return group_; }
  RowsUnderWay start(const at::Tensor& rows, const std::vector<std::int64_t>& send,
                     const std::vector<std::int64_t>& receive) override {
    return start_rows(group_, rows, send, receive);
  }

 private:
  Communicator& group_;
};

// The rows of `outer` x `inner` pieces of these sizes, [outer][inner], taken in the order [inner][outer].
at::Tensor swap_pieces(const at::Tensor& rows, const std::vector<std::int64_t>& sizes, std::int64_t inner) {
  const auto outer = static_cast<std::int64_t>(sizes.size()) / inner;
  std::vector<at::Tensor> pieces = rows.split_with_sizes(sizes);
  std::vector<at::Tensor> swapped;
  for (std::int64_t i = 0; i < inner; ++i) {
    for (std::int64_t o = 0; o < outer; ++o) swapped.push_back(pieces[static_cast<std::size_t>(o * inner + i)]);
  }
  return at::cat(swapped);
}

std::vector<std::int64_t> swap_counts(const std::vector<std::int64_t>& sizes, std::int64_t inner) {
  const auto outer = static_cast<std::int64_t>(sizes.size()) / inner;
  std::vector<std::int64_t> swapped;
  for (std::int64_t i = 0; i < inner; ++i) {
    for (std::int64_t o = 0; o < outer; ++o) swapped.push_back(sizes[static_cast<std::size_t>(o * inner + i)]);
  }
  return swapped;
}

class HierarchicalExchange : public RowAllToAll {
 public:
  HierarchicalExchange(Communicator& group, std::int64_t members_per_node) : group_(group), local_(members_per_node) {
    nodes_ = group.size() / local_;
    const std::int64_t node = group.rank() / local_, place = group.rank() % local_;
    std::vector<int> within, across;
    for (std::int64_t l = 0; l < local_; ++l) within.push_back(static_cast<int>(node * local_ + l));
    for (std::int64_t n = 0; n < nodes_; ++n) across.push_back(static_cast<int>(n * local_ + place));
    within_ = group.make_group(group.name() + ".within-node", within);
    across_ = group.make_group(group.name() + ".across-nodes", across);
  }
  Communicator& group() const override { return group_; }
  std::vector<Communicator*> own_groups() const override { return {within_.get(), across_.get()}; }

  RowsUnderWay start(const at::Tensor& rows, const std::vector<std::int64_t>& send,
                     const std::vector<std::int64_t>& receive) override {
    // Within the node: to the neighbour at place l go the rows for place l of every node, node by node.
    const std::vector<std::int64_t> by_place = swap_counts(send, local_);  // [place][node]
    std::vector<std::int64_t> passing(by_place.size());  // [neighbour][node]: what passes through here
    const std::vector<std::int64_t> per_neighbour(static_cast<std::size_t>(local_), nodes_);
    const at::Tensor passing_here = at::empty({static_cast<std::int64_t>(passing.size())}, at::kLong).to(rows.device());
    within_->all_to_all(at::tensor(by_place, at::kLong).to(rows.device()), per_neighbour, passing_here, per_neighbour);
    const at::Tensor on_host = passing_here.to(at::kCPU);
    std::copy_n(on_host.const_data_ptr<std::int64_t>(), passing.size(), passing.begin());
    const at::Tensor gathered = finish_rows(start_rows(*within_, swap_pieces(rows, send, local_),
                                                       sums_of_runs(by_place, nodes_), sums_of_runs(passing, nodes_)));
    // Across nodes: all that the node sends to this place on node n, neighbour by neighbour. It arrives as
    // [node][place of the sender], which is the order of ranks.
    const std::vector<std::int64_t> by_node = swap_counts(passing, nodes_);  // [node][neighbour]
    return start_rows(*across_, swap_pieces(gathered, passing, nodes_), sums_of_runs(by_node, local_),
                      sums_of_runs(receive, local_));
  }

 private:
  Communicator& group_;
  std::int64_t local_;
  std::int64_t nodes_ = 1;
  std::unique_ptr<Communicator> within_, across_;
};

}  // namespace

at::Tensor RowAllToAll::exchange(const at::Tensor& rows, const std::vector<std::int64_t>& send,
                                 const std::vector<std::int64_t>& receive) {
  return finish_rows(start(rows, send, receive));
}

std::int64_t sum_of(const std::vector<std::int64_t>& counts) {
  return std::accumulate(counts.begin(), counts.end(), std::int64_t{0});
}

std::vector<std::int64_t> sums_of_runs(const std::vector<std::int64_t>& counts, std::int64_t run) {
  std::vector<std::int64_t> sums;
  for (auto at = counts.begin(); at != counts.end(); at += run) {
    sums.push_back(std::accumulate(at, at + run, std::int64_t{0}));
  }
  return sums;
}

std::unique_ptr<RowAllToAll> make_flat_all_to_all(Communicator& group) { return std::make_unique<FlatExchange>(group); }

std::unique_ptr<RowAllToAll> make_hierarchical_all_to_all(Communicator& group, const std::vector<int>& nodes) {
  std::int64_t members = 0;
  while (members < group.size() && nodes[static_cast<std::size_t>(members)] == nodes[0]) ++members;
  for (std::int64_t rank = 0; rank < group.size(); ++rank) {
    const bool begins_node = rank % members == 0;
    const bool same_as_before =
        rank > 0 && nodes[static_cast<std::size_t>(rank)] == nodes[static_cast<std::size_t>(rank - 1)];
    if (group.size() % members != 0 || begins_node == same_as_before) {
      throw Error(fmt::format("parallel.all-to-all: hierarchical needs as many members of the group '{}' on each node, "
                              "next to each other in rank",
                              group.name()),
                  {},
                  "use flat, or start as many processes on each node as parallel.expert x parallel.tensor asks for");
    }
  }
  if (members == group.size() || members == 1) return make_flat_all_to_all(group);
  return std::make_unique<HierarchicalExchange>(group, members);
}

std::vector<std::int64_t> exchange_counts(RowAllToAll& exchange, const std::vector<std::int64_t>& counts,
                                          const at::Device& device) {
  const auto size = static_cast<std::size_t>(exchange.group().size());
  const std::vector<std::int64_t> one(size, 1);
  const at::Tensor rows = at::tensor(counts, at::kLong).view({static_cast<std::int64_t>(size), -1}).to(device);
  const at::Tensor received = exchange.exchange(rows, one, one).to(at::kCPU).contiguous();
  const auto* data = received.const_data_ptr<std::int64_t>();
  return {data, data + received.numel()};
}

}  // namespace polymoe
