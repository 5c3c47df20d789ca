#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

#include "polymoe/kernels/cuda/work.h"

namespace polymoe::kernels::cuda {

/// The sum over a warp's lanes, as sum_over_warp() of launch.h adds them: the same bits.
template <typename T>
T sum_over_lanes(const T (&lanes)[kWarp]) {
  T now[kWarp], next[kWarp];
  for (int lane = 0; lane < kWarp; ++lane) now[lane] = lanes[lane];
  for (int distance = kWarp / 2; distance > 0; distance /= 2) {
    for (int lane = 0; lane < kWarp; ++lane) next[lane] = now[lane] + now[lane ^ distance];
    for (int lane = 0; lane < kWarp; ++lane) now[lane] = next[lane];
  }
  return now[0];
}

/// The sum over a warp whose lane i gives f(i).
template <typename Function>
auto sum_of_warp(const Function& f) {
  decltype(f(0)) lanes[kWarp];
  for (int lane = 0; lane < kWarp; ++lane) lanes[lane] = f(lane);
  return sum_over_lanes(lanes);
}

/// The sum over a block of the threads' values, as sum_over_block() of block.h adds them: the same bits.
inline float sum_over_threads(const std::vector<float>& threads) {
  float warps[kWarp] = {};
  for (std::size_t warp = 0; warp < threads.size() / kWarp; ++warp) {
    float lanes[kWarp];
    std::copy_n(threads.begin() + static_cast<std::ptrdiff_t>(warp * kWarp), kWarp, lanes);
    warps[warp] = sum_over_lanes(lanes);
  }
  return sum_over_lanes(warps);
}

}  // namespace polymoe::kernels::cuda
