#pragma once

#include <cstdint>

#include "polymoe/kernels/bfloat16.h"
#include "polymoe/kernels/cuda/work.h"

namespace polymoe::kernels::cuda {

/// What one of `threads` adds up.
template <typename Element>
POLYMOE_HOST_DEVICE double squares_of_thread(const Element* values, std::int64_t count, std::int64_t thread,
                                             std::int64_t threads) {
  using Four = Pack<Element, 4>;
  const auto square = [](Element value) { return static_cast<double>(to_float(value)) * to_float(value); };
  const std::int64_t packs = reinterpret_cast<std::uintptr_t>(values) % sizeof(Four) == 0 ? count / 4 : 0;
  double sum = 0.0;
  for (std::int64_t i = thread; i < packs; i += threads) {
    const Four four = reinterpret_cast<const Four*>(values)[i];
    for (const Element value : four.values) sum += square(value);
  }
  for (std::int64_t i = 4 * packs + thread; i < count; i += threads) sum += square(values[i]);
  return sum;
}

}  // namespace polymoe::kernels::cuda
