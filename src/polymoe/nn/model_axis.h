#pragma once

#include <cstdint>

#include <ATen/core/Tensor.h>

namespace polymoe {

/// The slices that a layer's matrices are cut into (tensor parallel, Shoeybi et al. 2019): this process computes with
/// slice `rank` of `size`. Activations outside sliced products are the same on all slices. By default there is one.
class ModelAxis {
 public:
  virtual ~ModelAxis() = default;
  virtual std::int64_t size() const { return 1; }
  virtual std::int64_t rank() const { return 0; }

  /// Goes into a sliced product: forward the identity, backward the sum of the slices' gradients.
  virtual at::Tensor copy_to_region(const at::Tensor& x) { return x; }
  /// Comes out of a sliced product: forward the sum of the slices' partial results, backward the identity.
  virtual at::Tensor reduce_from_region(const at::Tensor& x) { return x; }

  // Without autograd, in place, on all slices at once.
  virtual void sum_(const at::Tensor& x) {}
  virtual void max_(const at::Tensor& x) {}
};

}  // namespace polymoe
