#include "polymoe/base/cores.h"

#include <algorithm>
#include <thread>

#include <sched.h>

namespace polymoe {

int usable_cores() {
  cpu_set_t mine;
  if (sched_getaffinity(0, sizeof(mine), &mine) == 0) return std::max(1, CPU_COUNT(&mine));
  return static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
}

}  // namespace polymoe
