#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "polymoe/comm/communicator.h"
#include "polymoe/comm/transport.h"

namespace polymoe {

/// Begins to exchange messages of an operation's present phase.
using Exchange =
    std::function<std::unique_ptr<Transfer>(const std::vector<Piece>& sends, const std::vector<Piece>& receives)>;

/// One step of a collective: begins an exchange, or only computes and returns nothing.
using Step = std::function<std::unique_ptr<Transfer>(const Exchange& exchange)>;

/// Which operation it is, for messages.
struct OperationName {
  Collective collective;
  std::string group;
  std::vector<int> world_ranks;
  std::int64_t number = 0;  // among those of the group, from 0
};

/// A collective under way: steps, each of which begins when the exchange of the one before is done. What the steps
/// hold (tensors, staging memory) lives until the last is done.
class Operation {
 public:
  /// Messages are cut into pieces of at most `piece_limit` bytes.
  Operation(OperationName name, std::shared_ptr<Transport> transport, std::vector<Step> steps,
            std::int64_t piece_limit);

  /// Goes as far as it can without waiting; whether that was anywhere.
  bool advance();
  bool finished() const { return next_ == steps_.size() && transfer_ == nullptr; }

  const OperationName& name() const { return name_; }
  Transport& transport() const { return *transport_; }

 private:
  std::unique_ptr<Transfer> exchange(const std::vector<Piece>& sends, const std::vector<Piece>& receives) const;

  OperationName name_;
  std::shared_ptr<Transport> transport_;
  std::vector<Step> steps_;
  std::size_t next_ = 0;
  std::int64_t piece_limit_;
  std::unique_ptr<Transfer> transfer_;
};

/// The operations under way in one process, of all its groups. Whoever waits for one advances all: members may wait for
/// theirs in different orders.
class OperationQueue {
 public:
  explicit OperationQueue(std::chrono::duration<double> time_out) : time_out_(time_out) {}

  void begin(std::shared_ptr<Operation> operation);
  /// Throws Error with the late ranks when the time-out passes.
  void wait_for(const Operation& operation);

 private:
  bool advance();

  std::chrono::duration<double> time_out_;
  std::vector<std::shared_ptr<Operation>> under_way_;
};

}  // namespace polymoe
