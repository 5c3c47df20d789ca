#pragma once

#include <cstdint>

#include "polymoe/kernels/cuda/work.h"

namespace polymoe::kernels::cuda {

/// What one of `threads` adds up.
POLYMOE_HOST_DEVICE inline double squares_of_thread(const float* values, std::int64_t count, std::int64_t thread,
                                                    std::int64_t threads) {
  using Four = Pack<float, 4>;
  const std::int64_t packs = reinterpret_cast<std::uintptr_t>(values) % sizeof(Four) == 0 ? count / 4 : 0;
  double sum = 0.0;
  for (std::int64_t i = thread; i < packs; i += threads) {
    const Four four = reinterpret_cast<const Four*>(values)[i];
    for (const float value : four.values) sum += static_cast<double>(value) * value;
  }
  for (std::int64_t i = 4 * packs + thread; i < count; i += threads) sum += static_cast<double>(values[i]) * values[i];
  return sum;
}

}  // namespace polymoe::kernels::cuda
