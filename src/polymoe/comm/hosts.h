#pragma once

#include <vector>

#include "polymoe/comm/communicator.h"

namespace polymoe {

/// A number for the machine of each process: the first process there. All members call it together.
std::vector<int> hosts_of(Communicator& world);

/// How many of the processes run on this one's machine, itself included. All members call it together.
int processes_here(Communicator& world);

}  // namespace polymoe
