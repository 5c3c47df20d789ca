#pragma once

#include <cstdint>
#include <limits>

#define POLYMOE_INLINE inline __attribute__((always_inline))

/// Rows of floats in pieces that compilers make vectors of, whichever the CPU has.
namespace polymoe::kernels {

constexpr int kLanes = 16;

/// Compilers make of these what vectors the CPU has. They may lie anywhere in memory.
typedef float Floats __attribute__((vector_size(kLanes * 4), aligned(4), may_alias));

POLYMOE_INLINE void fill(Floats& lanes, float value) {
  for (int l = 0; l < kLanes; ++l) lanes[l] = value;
}

/// Up to kLanes floats, the lanes behind them filled.
POLYMOE_INLINE void load_some(const float* from, std::int64_t count, float filling, Floats& to) {
  fill(to, filling);
  for (std::int64_t l = 0; l < count; ++l) to[l] = from[l];
}

POLYMOE_INLINE void load(const float* from, Floats& to) { to = *reinterpret_cast<const Floats*>(from); }
POLYMOE_INLINE void store(const Floats& from, float* to) { *reinterpret_cast<Floats*>(to) = from; }

POLYMOE_INLINE float sum_of(const Floats& lanes) {
  float halves[kLanes / 2], quarters[kLanes / 4];
  for (int i = 0; i < kLanes / 2; ++i) halves[i] = lanes[i] + lanes[i + kLanes / 2];
  for (int i = 0; i < kLanes / 4; ++i) quarters[i] = halves[i] + halves[i + kLanes / 4];
  return (quarters[0] + quarters[2]) + (quarters[1] + quarters[3]);
}

POLYMOE_INLINE float greatest_of(const float* x, std::int64_t width) {
  Floats greatest, values;
  fill(greatest, -std::numeric_limits<float>::infinity());
  std::int64_t i = 0;
  for (; i + kLanes <= width; i += kLanes) {
    load(x + i, values);
    greatest = values > greatest ? values : greatest;
  }
  if (i < width) {
    load_some(x + i, width - i, -std::numeric_limits<float>::infinity(), values);
    greatest = values > greatest ? values : greatest;
  }
  float result = greatest[0];
  for (int l = 1; l < kLanes; ++l) result = greatest[l] > result ? greatest[l] : result;
  return result;
}

}  // namespace polymoe::kernels
