#pragma once

#include <array>

#include "kernels/cuda/work.h"

namespace polymoe::kernels::cuda {

/// The sum over a warp whose lane i gives f(i).
template <typename Function>
auto sum_of_warp(const Function& f) {
  decltype(f(0)) lanes[kWarp];
  for (int lane = 0; lane < kWarp; ++lane) lanes[lane] = f(lane);
  return sum_over_lanes(lanes);
}

}  // namespace polymoe::kernels::cuda
