#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "polymoe/comm/communicator.h"

namespace polymoe {

/// The members of `host` (a group over host memory) on their GPUs, over NCCL: each on its current CUDA device, which it
/// has chosen before. All members call it together. `host` must outlive the group.
///
/// Operations run on a stream of their own, after what the current stream holds when they start; wait() makes the
/// current stream wait for them, not the host, so an operation under way may fail later: the calls that follow throw
/// its Error. NCCL only moves bytes. Sums are taken here, as over MPI: in the order of ranks, bfloat16 in float32.
std::unique_ptr<Communicator> make_nccl_communicator(Communicator& host, const std::string& name,
                                                     std::chrono::duration<double> time_out);

}  // namespace polymoe
