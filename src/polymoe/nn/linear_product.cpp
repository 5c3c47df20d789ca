#include "polymoe/nn/linear_product.h"

#include <algorithm>
#include <optional>
#include <vector>

#include "polymoe/tensor/torch_headers.h"

#include "polymoe/nn/gpu_linear.h"
#include "polymoe/nn/shared_products.h"

namespace polymoe {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// Where blocks of rows begin, of a size that stays in a core's cache while the weight passes by.
template <typename Element>
std::vector<std::int64_t> row_blocks(std::int64_t rows, std::int64_t width) {
  constexpr std::int64_t kElements = (std::int64_t{1} << 18) / sizeof(Element), kFewest = 96;
  const std::int64_t block = std::max(kFewest, kElements / width);
  std::vector<std::int64_t> begin;
  for (std::int64_t row = 0; row < rows; row += block) begin.push_back(row);
  begin.push_back(rows);
  return begin;
}

template <typename Element, typename Function>
void share_blocks(const std::vector<std::int64_t>& begin, std::int64_t width, std::int64_t outputs, std::int64_t inputs,
                  const Function& f) {
  share_products(
      begin.data(), static_cast<std::int64_t>(begin.size()) - 1, width, outputs * inputs,
      [=](std::int64_t rows) { return kernels::expert_scratch<Element>(rows, outputs, inputs); }, f);
}

// The kernels read by pointers.
void check_sizes(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias) {
  TORCH_CHECK(x.dim() == 2 && x.size(1) == weight.size(1), "x ", x.sizes(), " times the transpose of ", weight.sizes());
  TORCH_CHECK(!bias.defined() || (bias.dim() == 1 && bias.size(0) == weight.size(0)), "a bias ", bias.sizes(), " for ",
              weight.sizes());
}

template <typename Element>
void product(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias, const at::Tensor& y) {
  const std::int64_t rows = x.size(0), inputs = x.size(1), outputs = weight.size(0);
  const auto *from = elements<Element>(x), *weights = elements<Element>(weight);
  const auto* biases = bias.defined() ? elements<Element>(bias) : nullptr;
  auto* to = mutable_elements<Element>(y);
  share_blocks<Element>(
      row_blocks<Element>(rows, inputs), outputs, outputs, inputs,
      [&](std::int64_t, std::int64_t row, std::int64_t count, std::int64_t first, std::int64_t last, float* scratch) {
        kernels::expert_forward(from + row * inputs, count, weights, outputs, inputs, biases, first, last,
                                to + row * outputs, scratch);
      });
}

template <typename Element>
void product_backward(const at::Tensor& dy, const at::Tensor& weight, const at::Tensor& dx) {
  const std::int64_t rows = dy.size(0), outputs = weight.size(0), inputs = weight.size(1);
  const auto *from = elements<Element>(dy), *weights = elements<Element>(weight);
  auto* to = mutable_elements<Element>(dx);
  share_blocks<Element>(
      row_blocks<Element>(rows, inputs), inputs, outputs, inputs,
      [&](std::int64_t, std::int64_t row, std::int64_t count, std::int64_t first, std::int64_t last, float* scratch) {
        kernels::expert_backward(from + row * outputs, count, weights, outputs, inputs, first, last, to + row * inputs,
                                 scratch);
      });
}

template <typename Element>
void weight_gradient(const at::Tensor& dy, const at::Tensor& x, const at::Tensor& dw) {
  const std::int64_t rows = dy.size(0), outputs = dy.size(1), inputs = x.size(1);
  const auto *gradients = elements<Element>(dy), *from = elements<Element>(x);
  auto* to = mutable_elements<Element>(dw);
  // Where there are fewer panels than threads, these share the outputs too.
  const std::int64_t panels = kernels::panels_of(inputs);
  const std::int64_t parts = std::clamp<std::int64_t>((at::get_num_threads() + panels - 1) / panels, 1, outputs);
  std::vector<std::int64_t> begin;
  for (std::int64_t i = 0; i <= parts; ++i) begin.push_back(outputs * i / parts);
  share_products(
      begin.data(), parts, inputs, rows * inputs,
      [=](std::int64_t count) { return kernels::expert_scratch<Element>(rows, count, inputs); },
      [&](std::int64_t, std::int64_t output, std::int64_t count, std::int64_t first, std::int64_t last,
          float* scratch) {
        kernels::expert_weight_gradient(gradients + output, outputs, from, rows, count, inputs, first, last,
                                        to + output * inputs, scratch);
      });
}

class LinearProduct : public torch::autograd::Function<LinearProduct> {
 public:
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& x, const at::Tensor& weight,
                            const std::optional<at::Tensor>& bias) {
    ctx->save_for_backward({x, weight});
    ctx->saved_data["has_bias"] = bias.has_value();
    at::Tensor y = at::empty({x.size(0), weight.size(0)}, x.options());
    const at::Tensor added = bias.has_value() ? bias->contiguous() : at::Tensor();
    with_elements(x, [&](auto element) { product<decltype(element)>(x, weight, added, y); });
    return y;
  }

  static variable_list backward(AutogradContext* ctx, const variable_list& grads) {
    const variable_list saved = ctx->get_saved_variables();
    const at::Tensor &x = saved[0], &weight = saved[1], dy = grads[0].contiguous();
    variable_list gradients(3);
    with_elements(x, [&](auto element) {
      using Element = decltype(element);
      if (ctx->needs_input_grad(0)) {
        gradients[0] = at::empty_like(x);
        product_backward<Element>(dy, weight, gradients[0]);
      }
      if (ctx->needs_input_grad(1)) {
        gradients[1] = x.size(0) > 0 ? at::empty_like(weight) : at::zeros_like(weight);
        if (x.size(0) > 0) weight_gradient<Element>(dy, x, gradients[1]);
      }
    });
    if (ctx->saved_data["has_bias"].toBool() && ctx->needs_input_grad(2)) gradients[2] = dy.sum(0);
    return gradients;
  }
};

}  // namespace

at::Tensor linear_product(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                          std::optional<Activation> activation) {
  if (bias.defined() && has_gpu_linear(x)) return gpu_linear(x, weight, bias, activation);
  check_sizes(x, weight, bias);
  // Autograd refuses undefined tensors as arguments.
  std::optional<at::Tensor> given;
  if (bias.defined()) given = bias;
  const at::Tensor y = has_own_products(x, weight.size(0), weight.size(1))
                           ? LinearProduct::apply(x.contiguous(), weight.contiguous(), given)
                           : at::linear(x, weight, given);
  return activation.has_value() ? activate(y, *activation) : y;
}

}  // namespace polymoe
