#pragma once

#include <cstdint>

#include "polymoe/kernels/host_device.h"

namespace polymoe::kernels::cuda {

/// Lanes of a warp.
constexpr int kWarp = 32;

/// So many elements that one load of 16 bytes brings them, where their address allows it.
template <typename T, int kCount>
struct alignas(sizeof(T) * kCount) Pack {
  T values[kCount];
};

}  // namespace polymoe::kernels::cuda
