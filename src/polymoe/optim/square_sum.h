#pragma once

#include <ATen/core/Tensor.h>

namespace polymoe {

/// A sum of squares over many tensors, in float64. On a GPU it is added up there, without waiting for it.
class SquareSum {
 public:
  /// `values` [count] float32 or bfloat16.
  void add(const at::Tensor& values);
  /// Waits for the GPU, where tensors were on one.
  double total() const;

 private:
  double on_cpu_ = 0.0;
  at::Tensor parts_;  // of what was on a GPU, which add up to it
};

}  // namespace polymoe
