#include "polymoe/nn/gpu_linear.h"

#include "polymoe/tensor/torch_headers.h"

#include "polymoe/kernels/cuda/column_sums.h"
#include "polymoe/tensor/gpu.h"

namespace polymoe {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// Sums the columns of grad; with `active`, the output of ReLU, takes grad through its backward first.
at::Tensor bias_gradient(at::Tensor& grad, const at::Tensor& active) {
  const std::int64_t rows = grad.size(0), width = grad.size(1);
  at::Tensor sums = at::empty({width}, grad.options());
  if constexpr (kernels::cuda::kBuilt) {
    const at::Tensor workspace =
        at::empty({kernels::cuda::column_sums_workspace(rows, width)}, grad.options().dtype(at::kFloat));
    const at::Tensor result = active.defined() ? at::empty_like(grad) : grad;
    with_elements(grad, [&](auto element) {
      using Element = decltype(element);
      auto* to = mutable_elements<Element>(sums);
      auto* scratch = mutable_elements<float>(workspace);
      if (active.defined()) {
        kernels::cuda::relu_backward_sums(elements<Element>(grad), elements<Element>(active),
                                          mutable_elements<Element>(result), rows, width, to, scratch,
                                          gpu_stream(grad));
      } else {
        kernels::cuda::column_sums(elements<Element>(grad), rows, width, to, scratch, gpu_stream(grad));
      }
    });
    grad = result;
  }
  return sums;
}

class GpuLinear : public torch::autograd::Function<GpuLinear> {
 public:
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                            bool relu) {
    at::Tensor y = relu ? at::_addmm_activation(bias, x, weight.t()) : at::addmm(bias, x, weight.t());
    ctx->save_for_backward({x, weight, relu ? y : at::Tensor()});
    return y;
  }

  static variable_list backward(AutogradContext* ctx, const variable_list& grads) {
    const variable_list saved = ctx->get_saved_variables();
    const at::Tensor &x = saved[0], &weight = saved[1];
    at::Tensor grad = grads[0].contiguous();
    variable_list gradients(4);
    gradients[2] = bias_gradient(grad, saved[2]);
    if (ctx->needs_input_grad(0)) gradients[0] = at::mm(grad, weight);
    if (ctx->needs_input_grad(1)) gradients[1] = at::mm(grad.t(), x);
    return gradients;
  }
};

}  // namespace

bool has_gpu_linear(const at::Tensor& x) { return has_gpu_kernel(x) && x.dim() == 2 && at::GradMode::is_enabled(); }

at::Tensor gpu_linear(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                      std::optional<Activation> activation) {
  const bool relu = activation == Activation::kRelu;
  const at::Tensor y = GpuLinear::apply(x.contiguous(), weight, bias, relu);
  return activation.has_value() && !relu ? activate(y, *activation) : y;
}

}  // namespace polymoe
