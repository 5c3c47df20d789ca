#pragma once

#include "polymoe/kernels/cuda/column_sums_work.h"
#include "polymoe/kernels/cuda/launch.h"

/// The end of sums over rows that blocks of threads have shared, for the .cu files.
namespace polymoe::kernels::cuda {

/// Adds up `partial` [1 or 2, blocks, width]; blockIdx.y says which of the two.
template <typename T>
__global__ void __launch_bounds__(kWarp* kWarp)
    sum_blocks_kernel(const float* partial, std::int64_t blocks, std::int64_t width, T* first, T* second) {
  __shared__ float parts[kWarp][kWarp];
  const std::int64_t column = static_cast<std::int64_t>(blockIdx.x) * kWarp + threadIdx.x;
  const int group = static_cast<int>(threadIdx.y);
  const float* const mine = partial + blockIdx.y * blocks * width;
  parts[group][threadIdx.x] = column < width ? column_part(mine, blocks, width, column, group) : 0.0f;
  __syncthreads();
  if (group != 0 || column >= width) return;
  from_float(column_total(parts, static_cast<int>(threadIdx.x)), (blockIdx.y == 0 ? first : second)[column]);
}

/// first, second [width]: the sums of partial [2, blocks, width]; with `second` null, of [blocks, width].
template <typename T>
void sum_blocks(const float* partial, std::int64_t blocks, std::int64_t width, T* first, T* second, Stream stream) {
  const dim3 grid(static_cast<unsigned>((width + kWarp - 1) / kWarp), second != nullptr ? 2 : 1);
  sum_blocks_kernel<<<grid, dim3(kWarp, kWarp), 0, stream>>>(partial, blocks, width, first, second);
  check_launch("sum_blocks");
}

}  // namespace polymoe::kernels::cuda
