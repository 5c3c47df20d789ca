#include "polymoe/nn/activation.h"

#include "polymoe/tensor/torch_headers.h"

#include "polymoe/base/error.h"

namespace polymoe {

at::Tensor activate(const at::Tensor& x, Activation activation) {
  switch (activation) {
    case Activation::kRelu:
      return at::relu(x);
    case Activation::kGelu:
      return at::gelu(x);
    case Activation::kSwish:
      return at::silu(x);
  }
  return {};
}

at::Tensor activate_backward(const at::Tensor& grad, const at::Tensor& x, Activation activation) {
  switch (activation) {
    case Activation::kRelu:
      return at::threshold_backward(grad, x, 0);
    case Activation::kGelu:
      return at::gelu_backward(grad, x);
    case Activation::kSwish:
      return at::silu_backward(grad, x);
  }
  return {};
}

}  // namespace polymoe
