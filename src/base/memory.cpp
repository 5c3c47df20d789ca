#include "base/memory.h"

#include <malloc.h>
#include <sys/resource.h>

namespace polymoe {

void keep_freed_memory() {
  constexpr int kLargestThreshold = 32 << 20;  // more is refused
  mallopt(M_MMAP_THRESHOLD, kLargestThreshold);
  mallopt(M_TRIM_THRESHOLD, 1 << 30);
  mallopt(M_TOP_PAD, 64 << 20);
}

std::int64_t peak_resident_bytes() {
  rusage usage{};
  return getrusage(RUSAGE_SELF, &usage) == 0 ? std::int64_t{usage.ru_maxrss} * 1024 : 0;
}

}  // namespace polymoe
