#pragma once

#include <cstdint>

#include <torch/nn/module.h>
#include <torch/nn/pimpl.h>

namespace polymoe {

/// y = x weight^T + bias, for x [..., in]. Parameters are not initialised here: initialize() does that for a whole
/// model, by name, so that the values do not depend on the order of construction.
class LinearImpl : public torch::nn::Module {
 public:
  LinearImpl(std::int64_t in, std::int64_t out, bool bias = true);
  at::Tensor forward(const at::Tensor& x) const;

  at::Tensor weight;  ///< [out, in]
  at::Tensor bias;    ///< [out] or undefined
};
TORCH_MODULE(Linear);

/// Layer normalisation over the last dimension; the parameters stay in float32 whatever the precision of `x`.
class LayerNormImpl : public torch::nn::Module {
 public:
  explicit LayerNormImpl(std::int64_t width);
  at::Tensor forward(const at::Tensor& x) const;

  at::Tensor weight;  ///< [width]
  at::Tensor bias;    ///< [width]
};
TORCH_MODULE(LayerNorm);

/// Fills every parameter of `module` from (seed, name, element): weights of matrices uniform as Glorot and Bengio
/// (2010) have it (a tenth of that for gates), embeddings uniform with variance 1 / hidden, norms one, biases zero.
void initialize(torch::nn::Module& module, std::uint64_t seed);

}  // namespace polymoe
