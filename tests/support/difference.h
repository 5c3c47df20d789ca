#pragma once

#include <ATen/ATen.h>

namespace polymoe {

/// |a - b| / |b|, of tensors of any device and precision.
inline double relative_difference(const at::Tensor& a, const at::Tensor& b) {
  const at::Tensor exact = b.cpu().to(at::kDouble);
  return ((a.cpu().to(at::kDouble) - exact).norm() / exact.norm().clamp_min(1e-12)).item<double>();
}

}  // namespace polymoe
