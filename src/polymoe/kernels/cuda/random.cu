#include "polymoe/kernels/cuda/launch.h"
#include "polymoe/kernels/cuda/random.h"
#include "polymoe/kernels/cuda/random_work.h"

namespace polymoe::kernels::cuda {
namespace {

__global__ void fill_uniform_kernel(float* values, std::int64_t count, std::int64_t first, float low, float high,
                                    PhiloxKey key) {
  const std::int64_t blocks = uniform_blocks(count, first);
  for (std::int64_t block = thread_of_grid(); block < blocks; block += threads_of_grid()) {
    fill_uniform_block(values, count, first, low, high, key, block);
  }
}

}  // namespace

void fill_uniform(float* values, std::int64_t count, std::int64_t first, float low, float high, PhiloxKey key,
                  Stream stream) {
  if (count == 0) return;
  fill_uniform_kernel<<<blocks_for(uniform_blocks(count, first)), kThreads, 0, stream>>>(values, count, first, low,
                                                                                         high, key);
  check_launch("fill_uniform");
}

}  // namespace polymoe::kernels::cuda
