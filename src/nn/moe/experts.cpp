#include "nn/moe/experts.h"

#include <utility>

#include "nn/torch_headers.h"

#include "nn/dropout.h"

namespace polymoe {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// Calls f(expert, first slot, number of slots) for every expert with slots.
template <typename Function>
void for_each_expert(const at::Tensor& expert_begin, const Function& f) {
  const auto* begin = expert_begin.const_data_ptr<std::int64_t>();
  for (std::int64_t e = 0; e + 1 < expert_begin.size(0); ++e) {
    if (begin[e + 1] > begin[e]) f(e, begin[e], begin[e + 1] - begin[e]);
  }
}

// Both products of every expert in one autograd node: slices of the stacked weights stay views, and each expert's
// weight gradient is written once, into its place in the stacked gradient.
class ExpertsFunction : public torch::autograd::Function<ExpertsFunction> {
 public:
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& x, const at::Tensor& up_weight,
                            const at::Tensor& up_bias, const at::Tensor& down_weight, const at::Tensor& down_bias,
                            const at::Tensor& expert_begin, const at::Tensor& slot_assignment, std::int64_t activation,
                            double dropout, std::int64_t key) {
    const auto kind = static_cast<Activation>(activation);
    at::Tensor inner = at::empty({x.size(0), up_weight.size(1)}, x.options());
    for_each_expert(expert_begin, [&](std::int64_t e, std::int64_t first, std::int64_t count) {
      at::Tensor out = inner.narrow(0, first, count);
      at::addmm_out(out, up_bias[e], x.narrow(0, first, count), up_weight[e].t());
    });
    // The backward of ReLU needs only its output, so it can replace its input.
    at::Tensor active = kind == Activation::kRelu ? inner.relu_() : activate(inner, kind);
    if (dropout > 0 && kind == Activation::kRelu) active = active.clone();
    counter_dropout_(active, dropout, unpack_key(key), slot_assignment);

    at::Tensor y = at::empty_like(x);
    for_each_expert(expert_begin, [&](std::int64_t e, std::int64_t first, std::int64_t count) {
      at::Tensor out = y.narrow(0, first, count);
      at::addmm_out(out, down_bias[e], active.narrow(0, first, count), down_weight[e].t());
    });
    ctx->save_for_backward({x, inner, active, up_weight, down_weight, expert_begin, slot_assignment});
    ctx->saved_data["activation"] = activation;
    ctx->saved_data["dropout"] = dropout;
    ctx->saved_data["key"] = key;
    return y;
  }

  static variable_list backward(AutogradContext* ctx, const variable_list& grads) {
    const variable_list saved = ctx->get_saved_variables();
    const at::Tensor &x = saved[0], &inner = saved[1], &active = saved[2], &up_weight = saved[3],
                     &down_weight = saved[4], &expert_begin = saved[5], &slot_assignment = saved[6];
    const auto kind = static_cast<Activation>(ctx->saved_data["activation"].toInt());
    const at::Tensor grad = grads[0].contiguous();

    at::Tensor grad_up_weight = at::empty_like(up_weight), grad_down_weight = at::empty_like(down_weight);
    at::Tensor grad_up_bias = at::empty({up_weight.size(0), up_weight.size(1)}, up_weight.options());
    at::Tensor grad_down_bias = at::empty({down_weight.size(0), down_weight.size(1)}, down_weight.options());
    const auto* begin = expert_begin.const_data_ptr<std::int64_t>();
    for (std::int64_t e = 0; e < up_weight.size(0); ++e) {
      if (begin[e + 1] > begin[e]) continue;
      for (at::Tensor* tensor : {&grad_up_weight, &grad_down_weight, &grad_up_bias, &grad_down_bias})
        (*tensor)[e].zero_();
    }

    at::Tensor grad_inner = at::empty_like(inner);
    for_each_expert(expert_begin, [&](std::int64_t e, std::int64_t first, std::int64_t count) {
      const at::Tensor dy = grad.narrow(0, first, count);
      at::Tensor dw = grad_down_weight[e], db = grad_down_bias[e], da = grad_inner.narrow(0, first, count);
      at::mm_out(dw, dy.t(), active.narrow(0, first, count));
      at::sum_out(db, dy, 0);
      at::mm_out(da, dy, down_weight[e]);
    });
    counter_dropout_(grad_inner, ctx->saved_data["dropout"].toDouble(), unpack_key(ctx->saved_data["key"].toInt()),
                     slot_assignment);
    grad_inner = activate_backward(grad_inner, inner, kind);

    at::Tensor grad_x = at::empty_like(x);
    for_each_expert(expert_begin, [&](std::int64_t e, std::int64_t first, std::int64_t count) {
      const at::Tensor dh = grad_inner.narrow(0, first, count);
      at::Tensor dw = grad_up_weight[e], db = grad_up_bias[e], dx = grad_x.narrow(0, first, count);
      at::mm_out(dw, dh.t(), x.narrow(0, first, count));
      at::sum_out(db, dh, 0);
      at::mm_out(dx, dh, up_weight[e]);
    });
    return {grad_x, grad_up_weight, grad_up_bias, grad_down_weight, grad_down_bias, {}, {}, {}, {}, {}};
  }
};

}  // namespace

ExpertsImpl::ExpertsImpl(const ModelOptions& options, std::string place)
    : place_(std::move(place)),
      activation_(parse_activation(options.activation)),
      activation_dropout_(options.activation_dropout) {
  const std::int64_t experts = options.moe.experts;
  up_weight = register_parameter("up_weight", at::empty({experts, options.ffn, options.hidden}));
  up_bias = register_parameter("up_bias", at::empty({experts, options.ffn}));
  down_weight = register_parameter("down_weight", at::empty({experts, options.hidden, options.ffn}));
  down_bias = register_parameter("down_bias", at::empty({experts, options.hidden}));
}

at::Tensor ExpertsImpl::forward(const at::Tensor& x, const at::Tensor& expert_begin, const at::Tensor& slot_assignment,
                                const ForwardContext& context) {
  const double dropout = context.training ? activation_dropout_ : 0.0;
  return ExpertsFunction::apply(x, up_weight, up_bias, down_weight, down_bias, expert_begin, slot_assignment,
                                static_cast<std::int64_t>(activation_), dropout,
                                pack_key(context.random_key(place_ + ".activation")));
}

}  // namespace polymoe
