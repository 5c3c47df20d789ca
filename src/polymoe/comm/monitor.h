#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

namespace polymoe {

/// A thread in each process that answers the others while the main thread computes, waits or hangs: how far this
/// process has come in a group, and, on rank 0, who failed first. It has an MPI communicator of its own.
class Monitor {
 public:
  /// All processes make theirs together. MPI runs with MPI_THREAD_MULTIPLE.
  Monitor();
  /// Ends the thread. Others get no answers from here any more.
  ~Monitor();
  Monitor(const Monitor&) = delete;
  Monitor& operator=(const Monitor&) = delete;

  /// Where this process counts the operations of a group that it has begun. `group`: a number that all members give it.
  std::atomic<std::int64_t>& begun(std::uint64_t group);

  /// Those counts of other processes, asked now; nothing for one that does not answer within two seconds.
  std::vector<std::optional<std::int64_t>> ask_begun(std::uint64_t group, const std::vector<int>& world_ranks);

  /// Tells rank 0 that this process has failed. Returns the rank that told it so first; this one's own when rank 0
  /// does not answer within three seconds.
  int first_to_fail();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace polymoe
