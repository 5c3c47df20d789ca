#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include "polymoe/kernels/cuda/stream.h"
#include "polymoe/tensor/elements.h"

namespace polymoe {

/// Whether a function of kernels/cuda may be called for `x`: it lies on a GPU, holds float32 or bfloat16, and the build
/// has the kernels. The call itself stands in `if constexpr (kernels::cuda::kBuilt)`, so that no other build links it.
inline bool has_gpu_kernel(const at::Tensor& x) {
  return kernels::cuda::kBuilt && x.is_cuda() && (x.scalar_type() == at::kFloat || x.scalar_type() == at::kBFloat16);
}

/// The stream that the functions of LibTorch use on the device of `x`.
inline kernels::cuda::Stream gpu_stream(const at::Tensor& x) {
  const c10::impl::VirtualGuardImpl device(x.device().type());
  return static_cast<kernels::cuda::Stream>(device.getStream(x.device()).native_handle());
}

}  // namespace polymoe
