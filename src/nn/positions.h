#pragma once

#include <cstdint>
#include <string>

#include <ATen/core/Tensor.h>

namespace polymoe {

/// The sinusoidal positions of Vaswani et al. (2017), with all sines before all cosines:
/// table[p, i] = sin(p * r^i), table[p, hidden/2 + i] = cos(p * r^i), with n = hidden/2 and
///   r = 10000^(-1 / (n - 1)) for `frequencies` = "tensor2tensor" (that code's, which fairseq took over), or
///   r = 10000^(-1 / n)       for "paper" (Marian's too).
/// [count, hidden] float32. Throws Error for other frequencies.
at::Tensor sinusoidal_positions(std::int64_t count, std::int64_t hidden,
                                const std::string& frequencies = "tensor2tensor");

}  // namespace polymoe
