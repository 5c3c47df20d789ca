#pragma once

#include <type_traits>

#include <ATen/core/Tensor.h>
#include <c10/util/BFloat16.h>

#include "polymoe/kernels/bfloat16.h"

/// Tensors of float32 and bfloat16 as the kernels see them.
namespace polymoe {

/// Whether `x` lies on a CPU and holds what functions of kernels/cpu take.
inline bool has_cpu_kernel(const at::Tensor& x) {
  return x.is_cpu() && (x.scalar_type() == at::kFloat || x.scalar_type() == at::kBFloat16);
}

/// What sums of the elements of `x` are taken in: float64 for float64, which serves gradient checks, else float32.
inline at::ScalarType wide_type(const at::Tensor& x) {
  return x.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
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

/// LibTorch's type for the kernels' Element.
template <typename Element>
using ScalarOf = std::conditional_t<std::is_same_v<Element, kernels::BFloat16>, at::BFloat16, Element>;

/// The elements of `x`, which must be of this type (c10::Error).
template <typename Element>
const Element* elements(const at::Tensor& x) {
  return reinterpret_cast<const Element*>(x.const_data_ptr<ScalarOf<Element>>());
}
template <typename Element>
Element* mutable_elements(const at::Tensor& x) {
  return reinterpret_cast<Element*>(x.mutable_data_ptr<ScalarOf<Element>>());
}

}  // namespace polymoe
