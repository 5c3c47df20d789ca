#pragma once

// The CUDA runtime's cudaStream_t, for those who compile without its headers.
struct CUstream_st;

namespace polymoe::kernels::cuda {

/// Where a kernel is queued. Functions that take one return when it is queued, and throw std::runtime_error where it
/// could not be.
using Stream = CUstream_st*;

}  // namespace polymoe::kernels::cuda
