#pragma once

#include <algorithm>
#include <cstdint>

#include <stdexcept>
#include <string>
#include <type_traits>

#include <cuda_runtime.h>

#include "polymoe/kernels/cuda/work.h"

/// What the .cu files share.
namespace polymoe::kernels::cuda {

constexpr int kThreads = 256;  // of a block

/// Threads enough for `work` items, in blocks of kThreads, and at most so many blocks that each thread has several.
inline unsigned blocks_for(std::int64_t work) {
  constexpr std::int64_t kMost = 132 * 32;
  return static_cast<unsigned>(std::clamp<std::int64_t>((work + kThreads - 1) / kThreads, 1, kMost));
}

/// After each launch.
inline void check_launch(const char* kernel) {
  const cudaError_t error = cudaGetLastError();
  if (error == cudaSuccess) return;
  throw std::runtime_error(std::string("the GPU's kernel ") + kernel + " did not start: " + cudaGetErrorString(error));
}

/// Calls f with the number of elements, as a constant, that a thread may take at a time: 16 bytes where rows of this
/// width and the addresses allow it. Null pointers allow it.
template <typename T, typename Function, typename... Pointers>
void with_pack(std::int64_t width, const Function& f, const Pointers*... pointers) {
  constexpr int kWide = static_cast<int>(16 / sizeof(T));
  const bool aligned = ((reinterpret_cast<std::uintptr_t>(pointers) | ...) % 16) == 0;
  if (aligned && width % kWide == 0) {
    f(std::integral_constant<int, kWide>{});
  } else {
    f(std::integral_constant<int, 1>{});
  }
}

/// The sum over the lanes of a warp, in all of them.
template <typename T>
__device__ T sum_over_warp(T value) {
  for (int distance = kWarp / 2; distance > 0; distance /= 2) value += __shfl_xor_sync(0xFFFFFFFFu, value, distance);
  return value;
}
template <typename T>
__device__ T max_over_warp(T value) {
  for (int distance = kWarp / 2; distance > 0; distance /= 2) {
    const T other = __shfl_xor_sync(0xFFFFFFFFu, value, distance);
    value = other > value ? other : value;
  }
  return value;
}

/// This thread's number in the grid, and the number of threads.
__device__ inline std::int64_t thread_of_grid() {
  return static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
}
__device__ inline std::int64_t threads_of_grid() { return static_cast<std::int64_t>(gridDim.x) * blockDim.x; }

}  // namespace polymoe::kernels::cuda
