#pragma once

namespace polymoe {

/// Throws Error when an MPI call returned anything but success. `call`: its name.
void check_mpi(int code, const char* call);

}  // namespace polymoe
