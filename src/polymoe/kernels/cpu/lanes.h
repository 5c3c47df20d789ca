#pragma once

#include <cstdint>
#include <limits>

#include "polymoe/kernels/bfloat16.h"

#define POLYMOE_INLINE inline __attribute__((always_inline))

/// Floats in vectors of a size that the CPU has: compilers keep larger ones in memory. Vectors are passed by reference,
/// for they are no part of an interface.
namespace polymoe::kernels {

/// Vectors of kLanes floats, which may lie anywhere in memory. Compilers want the sizes as literals.
template <int kLanes>
struct Lanes;

#define POLYMOE_LANES(count)                                                                                        \
  template <>                                                                                                       \
  struct Lanes<count> {                                                                                             \
    typedef float Floats __attribute__((vector_size((count)*4), aligned(4), may_alias));                            \
    typedef std::uint32_t Words __attribute__((vector_size((count)*4), aligned(4), may_alias));                     \
    typedef std::uint16_t Halves __attribute__((vector_size((count)*2), aligned(2), may_alias));                    \
    static POLYMOE_INLINE void load(const float* from, Floats& to) { to = *reinterpret_cast<const Floats*>(from); } \
    static POLYMOE_INLINE void load(const BFloat16* from, Floats& to) {                                             \
      const Words words = __builtin_convertvector(*reinterpret_cast<const Halves*>(from), Words) << 16;             \
      to = *reinterpret_cast<const Floats*>(&words);                                                                \
    }                                                                                                               \
    static POLYMOE_INLINE void store(const Floats& from, float* to) { *reinterpret_cast<Floats*>(to) = from; }      \
  };
POLYMOE_LANES(4)
POLYMOE_LANES(8)
POLYMOE_LANES(16)
#undef POLYMOE_LANES

/// Up to kLanes floats, the lanes behind them filled.
template <int kLanes>
POLYMOE_INLINE void load_some(const float* from, std::int64_t count, float filling,
                              typename Lanes<kLanes>::Floats& to) {
  for (int l = 0; l < kLanes; ++l) to[l] = filling;
  for (std::int64_t l = 0; l < count; ++l) to[l] = from[l];
}

template <int kLanes>
POLYMOE_INLINE float sum_of(const typename Lanes<kLanes>::Floats& lanes) {
  float sums[kLanes];
  for (int l = 0; l < kLanes; ++l) sums[l] = lanes[l];
  for (int count = kLanes / 2; count > 0; count /= 2) {
    for (int l = 0; l < count; ++l) sums[l] += sums[l + count];
  }
  return sums[0];
}

template <int kLanes>
POLYMOE_INLINE float greatest_of(const float* x, std::int64_t width) {
  using L = Lanes<kLanes>;
  constexpr float kLowest = -std::numeric_limits<float>::infinity();
  typename L::Floats greatest, values;
  load_some<kLanes>(x, 0, kLowest, greatest);
  std::int64_t i = 0;
  for (; i + kLanes <= width; i += kLanes) {
    L::load(x + i, values);
    greatest = values > greatest ? values : greatest;
  }
  if (i < width) {
    load_some<kLanes>(x + i, width - i, kLowest, values);
    greatest = values > greatest ? values : greatest;
  }
  float result = greatest[0];
  for (int l = 1; l < kLanes; ++l) result = greatest[l] > result ? greatest[l] : result;
  return result;
}

}  // namespace polymoe::kernels
