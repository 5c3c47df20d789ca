#pragma once

#include <functional>

#include <ATen/core/Tensor.h>

namespace polymoe {

using RowMap = std::function<at::Tensor(const at::Tensor&)>;

/// A linear function as one autograd node: forward applies `forward` to x, backward applies `adjoint` to the gradient.
/// That is how collectives are crossed: the adjoint of a gather is a sum, of an exchange the exchange back.
at::Tensor linear_map(const at::Tensor& x, const RowMap& forward, RowMap adjoint);

/// The map that changes nothing, as a view: for nodes that act on the way in one direction alone.
RowMap identity_map();

}  // namespace polymoe
