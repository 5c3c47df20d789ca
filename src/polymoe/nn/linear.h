#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <utility>

#include <torch/nn/pimpl.h>

#include "polymoe/nn/activation.h"
#include "polymoe/nn/model_axis.h"
#include "polymoe/nn/parameter_module.h"

namespace polymoe {

/// y = x weight^T + bias, for x [tokens, in], with the outputs divided over the slices of the model axis: x is the same
/// on all, y is this slice's outputs [tokens, out here]. Parameters are not initialised here: initialize() does that
/// for a whole model, by name, so that the values do not depend on the order of construction.
class ColumnLinearImpl : public ParameterModule {
 public:
  /// The outputs are `blocks` equal blocks (queries, keys and values, say); a slice has its part of each. The bias of
  /// the block `fixed` (none: -1) gets a gradient of zero (weight decay still shrinks it).
  ColumnLinearImpl(std::int64_t in, std::int64_t out, std::shared_ptr<ModelAxis> axis, std::int64_t blocks = 1,
                   std::int64_t fixed = -1);
  /// The activation of y, where one is given.
  at::Tensor forward(const at::Tensor& x, std::optional<Activation> activation = {}) const;

  at::Tensor weight;  ///< [out here, in]
  at::Tensor bias;    ///< [out here]

 private:
  at::Tensor used_bias() const;

  std::int64_t blocks_, fixed_;
  std::shared_ptr<ModelAxis> axis_;
};
TORCH_MODULE(ColumnLinear);

/// y = x weight^T + bias with the inputs divided over the slices: x [tokens, in here], y [tokens, out] the same on all.
class RowLinearImpl : public ParameterModule {
 public:
  RowLinearImpl(std::int64_t in, std::int64_t out, std::shared_ptr<ModelAxis> axis);
  at::Tensor forward(const at::Tensor& x) const;

  at::Tensor weight;  ///< [out, in here]
  at::Tensor bias;    ///< [out], whole on every slice

 private:
  std::shared_ptr<ModelAxis> axis_;
};
TORCH_MODULE(RowLinear);

/// What layer norms add to the variance.
constexpr double kNormEpsilon = 1e-5;

/// Layer normalisation over the last dimension; the parameters stay in float32 whatever the precision of `x`.
class LayerNormImpl : public ParameterModule {
 public:
  explicit LayerNormImpl(std::int64_t width);
  at::Tensor forward(const at::Tensor& x) const;
  /// The norm of x, and x for the sum around the block. Where the sum takes x from here, a GPU's backward adds the two
  /// gradients of x in the pass that makes one of them.
  std::pair<at::Tensor, at::Tensor> beside_residual(const at::Tensor& x) const;

  at::Tensor weight;  ///< [width]
  at::Tensor bias;    ///< [width]
};
TORCH_MODULE(LayerNorm);

/// Layer normalisation of `x`, of any precision, with float32 parameters [width]: statistics, products and the
/// parameters' gradients are float32, and the result is rounded once. On any device.
at::Tensor wide_layer_norm(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias);

}  // namespace polymoe
