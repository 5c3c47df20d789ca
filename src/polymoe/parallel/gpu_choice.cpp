#include "polymoe/parallel/gpu_choice.h"

#include <algorithm>
#include <cstddef>
#include <cstdlib>

#include <fmt/core.h>

#include "polymoe/base/error.h"

namespace polymoe {

int gpu_of(const std::vector<int>& hosts, int rank, int gpus) {
  const int host = hosts.at(static_cast<std::size_t>(rank));
  const auto processes = std::count(hosts.begin(), hosts.end(), host);
  if (processes > gpus && std::getenv("NCCL_HOSTID") == nullptr) {
    throw Error(fmt::format("train.device cuda: {} processes on this machine and {} GPU{}", processes, gpus,
                            gpus == 1 ? "" : "s"),
                {},
                "start one process for each GPU; to try many on one, give each another NCCL_HOSTID in its environment");
  }
  return static_cast<int>(std::count(hosts.begin(), hosts.begin() + rank, host) % gpus);
}

}  // namespace polymoe
