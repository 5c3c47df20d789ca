#pragma once

#include <vector>

namespace polymoe {

/// The GPU that a process works on, where `hosts` names each process's machine (hosts_of()) and each machine has `gpus`
/// of them: the processes of a machine take them in turn. Throws Error where a machine has more processes than GPUs,
/// which NCCL refuses unless NCCL_HOSTID in the environment gives each process a machine of its own.
int gpu_of(const std::vector<int>& hosts, int rank, int gpus);

}  // namespace polymoe
