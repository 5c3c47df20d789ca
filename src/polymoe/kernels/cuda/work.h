#pragma once

#include <cstdint>

#include "polymoe/kernels/host_device.h"

namespace polymoe::kernels::cuda {

/// Lanes of a warp.
constexpr int kWarp = 32;

/// a / b of numbers that are not negative: in 32 bits where these hold them, which GPUs do several times as fast.
POLYMOE_HOST_DEVICE inline std::int64_t quotient(std::int64_t a, std::int64_t b) {
  if (((a | b) >> 32) != 0) return a / b;
  return static_cast<std::uint32_t>(a) / static_cast<std::uint32_t>(b);
}

/// So many elements that one load of 16 bytes brings them, where their address allows it.
template <typename T, int kCount>
struct alignas(sizeof(T) * kCount) Pack {
  T values[kCount];
};

}  // namespace polymoe::kernels::cuda
