#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

#include "kernels/cuda/work.h"

namespace polymoe::kernels::cuda {

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
