#include "polymoe/comm/world.h"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <numeric>
#include <thread>

#include <mpi.h>
#include <sys/uio.h>
#include <unistd.h>

#include "polymoe/base/cores.h"
#include "polymoe/base/error.h"
#include "polymoe/comm/monitor.h"
#include "polymoe/comm/mpi_error.h"
#include "polymoe/comm/mpi_transport.h"

namespace polymoe {
namespace {

int number_in(const char* variable) {
  const char* value = std::getenv(variable);
  return value == nullptr ? 0 : std::atoi(value);
}

/// Containers often forbid to read another process's memory, which Open MPI's shared memory would use.
bool may_read_memory_of_others() {
  char from = 1, to = 0;
  const iovec source{&from, 1}, target{&to, 1};
  return process_vm_readv(getpid(), &target, 1, &source, 1, 0) == 1;
}

/// Settings of Open MPI without which it prints warnings; what the user has set stays.
void quieten_open_mpi() {
  constexpr int kKeep = 0;
  if (!may_read_memory_of_others()) setenv("OMPI_MCA_btl_vader_single_copy_mechanism", "none", kKeep);
  setenv("OMPI_MCA_btl_base_warn_component_unused", "0", kKeep);
  setenv("OMPI_MCA_btl", "^openib", kKeep);
}

/// How launchers tell a process about itself. A shell within a Slurm allocation has none of the sizes.
struct Launcher {
  const char *size, *rank;
};
constexpr Launcher kLaunchers[] = {{"OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_RANK"},  // Open MPI's mpirun
                                   {"PMI_SIZE", "PMI_RANK"},                          // others with PMI
                                   {"SLURM_STEP_NUM_TASKS", "SLURM_PROCID"}};         // srun

const Launcher* launcher() {
  for (const Launcher& candidate : kLaunchers) {
    if (number_in(candidate.size) > 1) return &candidate;
  }
  return nullptr;
}

}  // namespace

int launched_processes() { return launcher() == nullptr ? 1 : number_in(launcher()->size); }

int launched_rank() { return launcher() == nullptr ? 0 : number_in(launcher()->rank); }

int threads_for_each(int local_processes) { return std::max(1, usable_cores() / std::max(1, local_processes)); }

struct World::Mpi {
  std::shared_ptr<Monitor> monitor;

  Mpi() {
    int started = 0;
    MPI_Initialized(&started);
    if (started != 0) fail("MPI has been started already; a process can do so once");
    quieten_open_mpi();
    int provided = 0;
    check_mpi(MPI_Init_thread(nullptr, nullptr, MPI_THREAD_MULTIPLE, &provided), "MPI_Init_thread");
    MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
    if (provided < MPI_THREAD_MULTIPLE) fail("this MPI does not support several threads (MPI_THREAD_MULTIPLE)");
    int size = 0;
    check_mpi(MPI_Comm_size(MPI_COMM_WORLD, &size), "MPI_Comm_size");
    const int launched = launched_processes();
    if (size != launched) {
      throw Error(fmt::format("{} processes were launched, but MPI knows {}", launched, size), {},
                  "start them with the mpirun of this Open MPI, or with srun --mpi=pmix");
    }
    monitor = std::make_shared<Monitor>();
  }

  static int local_processes() {
    MPI_Comm local;
    int size = 1;
    check_mpi(MPI_Comm_split_type(MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL, &local),
              "MPI_Comm_split_type");
    MPI_Comm_size(local, &size);
    MPI_Comm_free(&local);
    return size;
  }
};

World::World(const PointToPointOptions& options) {
  if (!launched_in_parallel()) {
    communicator_ = make_self_communicator("world");
    return;
  }
  mpi_ = std::make_unique<Mpi>();
  local_processes_ = Mpi::local_processes();
  int rank = 0, size = 0;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  std::vector<int> ranks(static_cast<std::size_t>(size));
  std::iota(ranks.begin(), ranks.end(), 0);
  communicator_ = std::make_unique<PointToPointCommunicator>(
      "world", std::move(ranks), rank, make_mpi_transport(mpi_->monitor, local_processes_ > usable_cores()),
      std::make_shared<OperationQueue>(options.time_out), options);
}

World::~World() {
  if (mpi_ == nullptr) return;
  // Others may still be at work, and want answers from the monitor. MPI's own barrier would keep a core busy.
  MPI_Request request;
  int done = 0;
  MPI_Ibarrier(MPI_COMM_WORLD, &request);
  while (MPI_Test(&request, &done, MPI_STATUS_IGNORE) == MPI_SUCCESS && done == 0) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  communicator_ = nullptr;
  mpi_->monitor = nullptr;
  MPI_Finalize();
}

int World::first_to_fail() { return mpi_ == nullptr ? 0 : mpi_->monitor->first_to_fail(); }

void World::abort(int code) {
  if (mpi_ != nullptr) MPI_Abort(MPI_COMM_WORLD, code);
  std::_Exit(code);
}

}  // namespace polymoe
