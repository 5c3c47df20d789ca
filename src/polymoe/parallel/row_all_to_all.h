#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include <ATen/core/Tensor.h>

#include "polymoe/comm/communicator.h"

namespace polymoe {

/// Rows that are being exchanged: those sent must stay, those received are not to be read, before `pending` is waited
/// for. Null where nothing is left to wait for.
struct RowsUnderWay {
  at::Tensor sent, received;
  Pending pending;
};

/// Moves rows between the members of a group.
class RowAllToAll {
 public:
  virtual ~RowAllToAll() = default;

  virtual Communicator& group() const = 0;
  /// Groups that it made for itself, for those who count what is sent.
  virtual std::vector<Communicator*> own_groups() const { return {}; }

  /// Begins to send rows [send[0] + ... + send[r - 1], ... + send[r]) of `rows` [sum of send, width] to member r and to
  /// receive rows, those of member 0 first: [sum of receive, width]. Without autograd.
  virtual RowsUnderWay start(const at::Tensor& rows, const std::vector<std::int64_t>& send,
                             const std::vector<std::int64_t>& receive) = 0;
  /// The same, and waits.
  at::Tensor exchange(const at::Tensor& rows, const std::vector<std::int64_t>& send,
                      const std::vector<std::int64_t>& receive);
};

/// One all-to-all.
std::unique_ptr<RowAllToAll> make_flat_all_to_all(Communicator& group);

/// Two all-to-alls of rows, after a small one of counts: within the node every member gathers what its node sends to
/// one place on each other node, then the members of the same place exchange across nodes. Messages between nodes are
/// fewer by the number of members on a node, and larger by as much. Its start() returns with the last all-to-all under
/// way. `nodes` names the node of each member; every node
/// must hold the same number of members, next to each other in rank. Called by all members together (it makes groups);
/// with one node, or one member on each, it is the flat exchange. Throws Error for nodes of other shapes.
std::unique_ptr<RowAllToAll> make_hierarchical_all_to_all(Communicator& group, const std::vector<int>& nodes);

/// The sum of all counts, and the sums of neighbouring runs of `run` counts.
std::int64_t sum_of(const std::vector<std::int64_t>& counts);
std::vector<std::int64_t> sums_of_runs(const std::vector<std::int64_t>& counts, std::int64_t run);

/// `counts` [size * k]: k numbers for each member; returns the k numbers that each member has for this one, [size * k].
/// They travel as a tensor on `device`, where the exchange works.
std::vector<std::int64_t> exchange_counts(RowAllToAll& exchange, const std::vector<std::int64_t>& counts,
                                          const at::Device& device);

}  // namespace polymoe
