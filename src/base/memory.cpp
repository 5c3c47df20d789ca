#include "base/memory.h"

#include <malloc.h>

namespace polymoe {

void keep_freed_memory() {
  constexpr int kLargestThreshold = 32 << 20;  // more is refused
  mallopt(M_MMAP_THRESHOLD, kLargestThreshold);
  mallopt(M_TRIM_THRESHOLD, 1 << 30);
  mallopt(M_TOP_PAD, 64 << 20);
}

}  // namespace polymoe
