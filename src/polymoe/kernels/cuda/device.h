#pragma once

namespace polymoe::kernels::cuda {

/// The generation of the current GPU: 8 for Ampere, 9 for Hopper, ...
int compute_capability_major();

}  // namespace polymoe::kernels::cuda
