#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include "polymoe/kernels/bfloat16.h"
#include "polymoe/kernels/cuda/stream.h"

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

/// Calls f with a value of the kernels' type for the elements of `x`, float32 or bfloat16.
template <typename Function>
void with_elements(const at::Tensor& x, const Function& f) {
  if (x.scalar_type() == at::kFloat) {
    f(float{});
  } else {
    f(kernels::BFloat16{});
  }
}

/// Its elements as the kernels see them.
template <typename Element>
const Element* elements(const at::Tensor& x) {
  return static_cast<const Element*>(x.const_data_ptr());
}
template <typename Element>
Element* mutable_elements(const at::Tensor& x) {
  return static_cast<Element*>(x.mutable_data_ptr());
}

}  // namespace polymoe
