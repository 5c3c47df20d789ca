#pragma once

#include <cstdint>

#include "polymoe/base/random.h"
#include "polymoe/kernels/host_device.h"

namespace polymoe::kernels {

/// The random words of four uniform numbers: those whose index in their stream has the upper 62 bits of `index`. The
/// other two choose the word.
constexpr PhiloxCounter uniform_words(std::uint64_t index, PhiloxKey key) {
  return philox({static_cast<std::uint32_t>(index >> 2), static_cast<std::uint32_t>(index >> 34), 0u, 3u}, key);
}

/// The number in [low, high) that a random word stands for.
POLYMOE_HOST_DEVICE inline float uniform_number(std::uint32_t word, float low, float high) {
  const float share = static_cast<float>(word >> 8) * 0x1.0p-24f;
#ifdef __CUDA_ARCH__
  // The compiler may not fuse these: a fused multiply-add rounds once where the CPU rounds twice.
  return __fadd_rn(low, __fmul_rn(__fsub_rn(high, low), share));
#else
  return low + (high - low) * share;
#endif
}

}  // namespace polymoe::kernels
