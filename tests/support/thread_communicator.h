#pragma once

#include <functional>

#include "polymoe/comm/communicator.h"
#include "polymoe/comm/point_to_point.h"

namespace polymoe::testing {

/// Runs `body` on `n` threads, each the process of one rank of a group named "world": whatever is distributed can be
/// tested without MPI. Returns when all have ended. When `body` throws on a rank, the others throw at their next wait,
/// and the exception of the rank that threw first is thrown here.
void run_ranks(int n, const std::function<void(Communicator&)>& body, const PointToPointOptions& options = {});

}  // namespace polymoe::testing
