#pragma once

#include <cstdint>
#include <memory>

#include <ATen/core/Tensor.h>

#include "nn/block_runner.h"
#include "nn/moe/dispatcher.h"

namespace polymoe {

/// The slices that a layer's matrices are cut into (tensor slicing, Shoeybi et al. 2019): this process computes with
/// slice `rank` of `size`. Activations outside sliced products are the same on all slices.
class ModelAxis {
 public:
  virtual ~ModelAxis() = default;
  virtual std::int64_t size() const { return 1; }
  virtual std::int64_t rank() const { return 0; }

  /// Goes into a sliced product: forward the identity, backward the sum of the slices' gradients.
  virtual at::Tensor enter(const at::Tensor& x) { return x; }
  /// Comes out of a sliced product: forward the sum of the slices' partial results, backward the identity.
  virtual at::Tensor leave(const at::Tensor& x) { return x; }

  // Without autograd, in place, on all slices at once.
  virtual void sum_(const at::Tensor& x) {}
  virtual void max_(const at::Tensor& x) {}
};

/// The part of a model that this process holds and computes. By default all of it.
struct Partition {
  std::shared_ptr<ModelAxis> model_axis = std::make_shared<ModelAxis>();
  std::shared_ptr<Dispatcher> dispatcher = std::make_shared<LocalDispatcher>();
  std::int64_t expert_rank = 0;   ///< experts are cut into `expert_parts` equal runs; this process holds one
  std::int64_t expert_parts = 1;  ///< divides the number of experts
  bool slice_experts = true;      ///< whether experts are cut along the model axis too
  std::shared_ptr<BlockRunner> runner = std::make_shared<BlockRunner>();
};

}  // namespace polymoe
