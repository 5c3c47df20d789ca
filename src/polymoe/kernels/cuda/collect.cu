#include "polymoe/kernels/cuda/collect.h"

#include "polymoe/kernels/cuda/collect_work.h"
#include "polymoe/kernels/cuda/launch.h"

namespace polymoe::kernels::cuda {
namespace {

template <int kCount>
__global__ void collect_kernel(const BFloat16* values, float* sums, bool add, std::int64_t count) {
  const std::int64_t packs = count / kCount;
  for (std::int64_t i = thread_of_grid(); i < packs; i += threads_of_grid()) {
    collect_elements<kCount>(values, sums, add, i * kCount);
  }
  for (std::int64_t i = packs * kCount + thread_of_grid(); i < count; i += threads_of_grid()) {
    collect_elements<1>(values, sums, add, i);
  }
}

}  // namespace

void collect(const BFloat16* values, float* sums, bool add, std::int64_t count, Stream stream) {
  if (count == 0) return;
  constexpr int kWide = 4;
  const bool aligned = reinterpret_cast<std::uintptr_t>(values) % (kWide * sizeof(BFloat16)) == 0 &&
                       reinterpret_cast<std::uintptr_t>(sums) % (kWide * sizeof(float)) == 0;
  if (aligned) {
    collect_kernel<kWide><<<blocks_for(count / kWide), kThreads, 0, stream>>>(values, sums, add, count);
  } else {
    collect_kernel<1><<<blocks_for(count), kThreads, 0, stream>>>(values, sums, add, count);
  }
  check_launch("collect");
}

}  // namespace polymoe::kernels::cuda
