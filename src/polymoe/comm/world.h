#pragma once

#include <chrono>
#include <memory>

#include "polymoe/comm/communicator.h"
#include "polymoe/comm/point_to_point.h"

namespace polymoe {

/// How many processes mpirun or srun has started this one among; 1 for a process on its own.
int launched_processes();
/// This process's place among them, from 0.
int launched_rank();
inline bool launched_in_parallel() { return launched_processes() > 1; }

/// The processes of a run. A process on its own never touches MPI. Make one at a time, and only one that is not alone
/// in a process's life: MPI cannot start twice.
class World {
 public:
  /// All processes make theirs together. Throws Error when MPI does not find the processes that were launched.
  explicit World(const PointToPointOptions& options = {});
  /// Waits for the other processes to end theirs.
  ~World();
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  /// All processes. It and the groups made from it are used by one thread at a time, and not after the World's end.
  Communicator& communicator() { return *communicator_; }

  /// How many of the processes run on this machine, itself included.
  int local_processes() const { return local_processes_; }

  /// Tells the others that this process has failed. Returns the world rank of the process that did so first, which is
  /// the one to report its error.
  int first_to_fail();

  /// Ends all processes at once, with this exit code. For programs; the library never calls it.
  [[noreturn]] void abort(int code);

 private:
  struct Mpi;

  std::unique_ptr<Mpi> mpi_;
  int local_processes_ = 1;
  std::unique_ptr<Communicator> communicator_;
};

/// How many threads a process should compute with: its share of the cores that it may run on, at least 1.
int threads_for_each(int local_processes);

}  // namespace polymoe
