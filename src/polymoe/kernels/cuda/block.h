#pragma once

#include "polymoe/kernels/cuda/launch.h"

/// Reductions over a block of whole warps, all of whose threads must call them. `room` is shared memory; it may be
/// written again after one more __syncthreads(), such as that of another reduction.
namespace polymoe::kernels::cuda {

/// Each of `values` becomes its sum over the block, in all threads: within warps, then over the warps' sums.
template <int kCount>
__device__ void sum_over_block(float (&values)[kCount], float (&room)[kCount][kWarp]) {
  const unsigned lane = threadIdx.x % kWarp, warp = threadIdx.x / kWarp, warps = blockDim.x / kWarp;
  for (int k = 0; k < kCount; ++k) {
    const float sum = sum_over_warp(values[k]);
    if (lane == 0) room[k][warp] = sum;
  }
  __syncthreads();
  for (int k = 0; k < kCount; ++k) values[k] = sum_over_warp(lane < warps ? room[k][lane] : 0.0f);
}

/// The highest value of the block, in all threads; none may be nan.
__device__ inline float max_over_block(float value, float (&room)[kWarp]) {
  const unsigned lane = threadIdx.x % kWarp, warp = threadIdx.x / kWarp, warps = blockDim.x / kWarp;
  const float highest = max_over_warp(value);
  if (lane == 0) room[warp] = highest;
  __syncthreads();
  return max_over_warp(room[lane < warps ? lane : 0]);
}

}  // namespace polymoe::kernels::cuda
