#pragma once

#include <memory>

#include "polymoe/comm/monitor.h"
#include "polymoe/comm/transport.h"

namespace polymoe {

/// Messages over MPI among all processes. MPI runs with MPI_THREAD_MULTIPLE. `cores_are_shared`: there are more
/// processes on this machine than cores, so waiting processes make room at once.
std::shared_ptr<Transport> make_mpi_transport(std::shared_ptr<Monitor> monitor, bool cores_are_shared);

}  // namespace polymoe
