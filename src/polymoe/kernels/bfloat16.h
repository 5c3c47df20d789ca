#pragma once

#include <bit>
#include <cstdint>

namespace polymoe::kernels {

/// The upper half of a float32.
struct BFloat16 {
  std::uint16_t bits;
};

constexpr float to_float(float value) { return value; }
constexpr float to_float(BFloat16 value) { return std::bit_cast<float>(std::uint32_t{value.bits} << 16); }

constexpr void from_float(float value, float& out) { out = value; }
/// Rounds to nearest, ties to even. NaN stays NaN.
constexpr void from_float(float value, BFloat16& out) {
#ifdef __CUDA_ARCH__
  asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(out.bits) : "f"(value));
#else
  const std::uint32_t word = std::bit_cast<std::uint32_t>(value);
  const std::uint32_t rounded = (word + 0x7FFFu + ((word >> 16) & 1u)) >> 16;
  out.bits = static_cast<std::uint16_t>(value != value ? 0x7FC0u : rounded);
#endif
}

}  // namespace polymoe::kernels
