#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace polymoe {

/// Bytes to send to, or to receive from, one member of a group.
struct Piece {
  int peer = 0;
  std::byte* data = nullptr;
  std::int64_t bytes = 0;
};

/// Pieces under way.
class Transfer {
 public:
  virtual ~Transfer() = default;
  /// Whether all of them have been sent and received. Not called again once it has said yes.
  virtual bool done() = 0;
};

/// How messages travel among the members of one group. All but its creation is used by one thread.
class Transport {
 public:
  virtual ~Transport() = default;

  /// Begins to send and to receive. The members number their operations alike; messages of one (operation, phase) from
  /// one member to another arrive in the order in which they are sent. The memory is the caller's until done().
  virtual std::unique_ptr<Transfer> exchange(std::int64_t operation, int phase, const std::vector<Piece>& sends,
                                             const std::vector<Piece>& receives) = 0;

  /// Called by the waiting process again and again while nothing arrives, with the time it has waited. Throws Error
  /// when there is no use in waiting.
  virtual void idle(std::chrono::duration<double> waited) = 0;

  /// This process has begun its operation of this number (from 0).
  virtual void entered(std::int64_t operation) = 0;
  /// How many operations of the group each member has begun; nothing where it gives no answer.
  virtual std::vector<std::optional<std::int64_t>> entered_by_members() = 0;

  /// The transport of a group of some of the members. Called by those only.
  virtual std::shared_ptr<Transport> subgroup(const std::string& name, const std::vector<int>& ranks) = 0;
};

}  // namespace polymoe
