#pragma once

#include <cstdint>

#include "kernels/host_device.h"

namespace polymoe::kernels::cuda {

/// Lanes of a warp.
constexpr int kWarp = 32;

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

/// So many elements that one load of 16 bytes brings them, where their address allows it.
template <typename T, int kCount>
struct alignas(sizeof(T) * kCount) Pack {
  T values[kCount];
};
template <typename T>
using Pack16 = Pack<T, 16 / sizeof(T)>;

}  // namespace polymoe::kernels::cuda
