#pragma once

// The CUDA runtime's cudaStream_t, for those who compile without its headers.
struct CUstream_st;

namespace polymoe::kernels::cuda {

/// Whether this build has the kernels. Without them their functions are declared and must not be called: what is not in
/// use in `if constexpr` is not linked.
#ifdef POLYMOE_CUDA
constexpr bool kBuilt = true;
#else
constexpr bool kBuilt = false;
#endif

/// Where a kernel is queued. Functions that take one return when it is queued, and throw std::runtime_error where it
/// could not be.
using Stream = CUstream_st*;

}  // namespace polymoe::kernels::cuda
