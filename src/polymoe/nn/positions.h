#pragma once

#include <cstdint>

#include <ATen/core/Tensor.h>

#include "polymoe/config/model_options.h"

namespace polymoe {

/// The sinusoidal positions of Vaswani et al. (2017), with all sines before all cosines:
/// table[p, i] = sin(p * r^i), table[p, hidden/2 + i] = cos(p * r^i), with n = hidden/2 and
///   r = 10000^(-1 / (n - 1)) for kTensor2tensor (that code's, which fairseq took over), or
///   r = 10000^(-1 / n)       for kPaper (Marian's too).
/// [count, hidden] float32.
at::Tensor sinusoidal_positions(std::int64_t count, std::int64_t hidden,
                                PositionFrequencies frequencies = PositionFrequencies::kTensor2tensor);

}  // namespace polymoe
