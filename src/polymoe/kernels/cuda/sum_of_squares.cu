#include "polymoe/kernels/cuda/sum_of_squares.h"

#include "polymoe/kernels/cuda/launch.h"
#include "polymoe/kernels/cuda/sum_of_squares_work.h"

namespace polymoe::kernels::cuda {
namespace {

template <typename Element>
__global__ void sum_of_squares_kernel(const Element* values, std::int64_t count, double* parts) {
  __shared__ double of_warp[kThreads / kWarp];
  const double sum = sum_over_warp(squares_of_thread(values, count, thread_of_grid(), threads_of_grid()));
  if (threadIdx.x % kWarp == 0) of_warp[threadIdx.x / kWarp] = sum;
  __syncthreads();
  if (threadIdx.x > 0) return;
  double total = 0.0;
  for (const double part : of_warp) total += part;
  parts[blockIdx.x] += total;
}

}  // namespace

template <typename Element>
void add_sum_of_squares(const Element* values, std::int64_t count, double* parts, Stream stream) {
  if (count == 0) return;
  sum_of_squares_kernel<<<kSquareParts, kThreads, 0, stream>>>(values, count, parts);
  check_launch("add_sum_of_squares");
}

template void add_sum_of_squares(const float*, std::int64_t, double*, Stream);
template void add_sum_of_squares(const BFloat16*, std::int64_t, double*, Stream);

}  // namespace polymoe::kernels::cuda
