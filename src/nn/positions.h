#pragma once

#include <cstdint>

#include <ATen/core/Tensor.h>

namespace polymoe {

/// The sinusoidal positions of Vaswani et al. (2017), with all sines before all cosines:
/// table[p, i] = sin(p * r^i), table[p, hidden/2 + i] = cos(p * r^i), r = 10000^(-1 / (hidden/2 - 1)).
/// [count, hidden] float32.
at::Tensor sinusoidal_positions(std::int64_t count, std::int64_t hidden);

}  // namespace polymoe
