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
std::vector<std::int64_t> row_blocks(std::int64_t rows, std::int64_t width) {
  constexpr std::int64_t kElements = std::int64_t{1} << 16, kFewest = 96;
  const std::int64_t block = std::max(kFewest, kElements / width);
  std::vector<std::int64_t> begin;
  for (std::int64_t row = 0; row < rows; row += block) begin.push_back(row);
  begin.push_back(rows);
  return begin;
}

template <typename Function>
void share_blocks(const std::vector<std::int64_t>& begin, std::int64_t width, std::int64_t outputs, std::int64_t inputs,
                  const Function& f) {
  share_products(
      begin.data(), static_cast<std::int64_t>(begin.size()) - 1, width, outputs * inputs,
      [=](std::int64_t rows) { return kernels::expert_scratch(rows, outputs, inputs); }, f);
}

at::Tensor product(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias) {
  const std::int64_t rows = x.size(0), inputs = x.size(1), outputs = weight.size(0);
  at::Tensor y = at::empty({rows, outputs}, x.options());
  const auto *from = x.const_data_ptr<float>(), *weights = weight.const_data_ptr<float>();
  const float* biases = bias.defined() ? bias.const_data_ptr<float>() : nullptr;
  auto* to = y.mutable_data_ptr<float>();
  share_blocks(
      row_blocks(rows, inputs), outputs, outputs, inputs,
      [&](std::int64_t, std::int64_t row, std::int64_t count, std::int64_t first, std::int64_t last, float* scratch) {
        kernels::expert_forward(from + row * inputs, count, weights, outputs, inputs, biases, first, last,
                                to + row * outputs, scratch);
      });
  return y;
}

at::Tensor product_backward(const at::Tensor& dy, const at::Tensor& weight) {
  const std::int64_t rows = dy.size(0), outputs = weight.size(0), inputs = weight.size(1);
  at::Tensor dx = at::empty({rows, inputs}, dy.options());
  const auto *from = dy.const_data_ptr<float>(), *weights = weight.const_data_ptr<float>();
  auto* to = dx.mutable_data_ptr<float>();
  share_blocks(
      row_blocks(rows, inputs), inputs, outputs, inputs,
      [&](std::int64_t, std::int64_t row, std::int64_t count, std::int64_t first, std::int64_t last, float* scratch) {
        kernels::expert_backward(from + row * outputs, count, weights, outputs, inputs, first, last, to + row * inputs,
                                 scratch);
      });
  return dx;
}

at::Tensor weight_gradient(const at::Tensor& dy, const at::Tensor& x) {
  const std::int64_t rows = dy.size(0), outputs = dy.size(1), inputs = x.size(1);
  at::Tensor dw = rows > 0 ? at::empty({outputs, inputs}, x.options()) : at::zeros({outputs, inputs}, x.options());
  const auto *gradients = dy.const_data_ptr<float>(), *from = x.const_data_ptr<float>();
  auto* to = dw.mutable_data_ptr<float>();
  // Where there are fewer panels than threads, these share the outputs too.
  const std::int64_t panels = kernels::panels_of(inputs);
  const std::int64_t parts = std::clamp<std::int64_t>((at::get_num_threads() + panels - 1) / panels, 1, outputs);
  std::vector<std::int64_t> begin;
  for (std::int64_t i = 0; i <= parts; ++i) begin.push_back(outputs * i / parts);
  share_products(
      begin.data(), parts, inputs, rows * inputs,
      [=](std::int64_t count) { return kernels::expert_scratch(rows, count, inputs); },
      [&](std::int64_t, std::int64_t output, std::int64_t count, std::int64_t first, std::int64_t last,
          float* scratch) {
        kernels::expert_weight_gradient(gradients + output, outputs, from, rows, count, inputs, first, last,
                                        to + output * inputs, scratch);
      });
  return dw;
}

class LinearProduct : public torch::autograd::Function<LinearProduct> {
 public:
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& x, const at::Tensor& weight,
                            const std::optional<at::Tensor>& bias) {
    ctx->save_for_backward({x, weight});
    ctx->saved_data["has_bias"] = bias.has_value();
    return product(x, weight, bias.has_value() ? bias->contiguous() : at::Tensor());
  }

  static variable_list backward(AutogradContext* ctx, const variable_list& grads) {
    const variable_list saved = ctx->get_saved_variables();
    const at::Tensor &x = saved[0], &weight = saved[1], dy = grads[0].contiguous();
    variable_list gradients(3);
    if (ctx->needs_input_grad(0)) gradients[0] = product_backward(dy, weight);
    if (ctx->needs_input_grad(1)) gradients[1] = weight_gradient(dy, x);
    if (ctx->saved_data["has_bias"].toBool() && ctx->needs_input_grad(2)) gradients[2] = dy.sum(0);
    return gradients;
  }
};

}  // namespace

at::Tensor linear_product(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                          std::optional<Activation> activation) {
  if (bias.defined() && has_gpu_linear(x)) return gpu_linear(x, weight, bias, activation);
  // Autograd refuses undefined tensors as arguments.
  std::optional<at::Tensor> given;
  if (bias.defined()) given = bias;
  const at::Tensor y = has_own_products(x) ? LinearProduct::apply(x.contiguous(), weight.contiguous(), given)
                                           : at::linear(x, weight, given);
  return activation.has_value() ? activate(y, *activation) : y;
}

}  // namespace polymoe
