#include "polymoe/nn/linear.h"

#include <utility>

#include "polymoe/tensor/torch_headers.h"

#include "polymoe/kernels/cuda/layer_norm.h"
#include "polymoe/nn/linear_product.h"
#include "polymoe/tensor/gpu.h"

namespace polymoe {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

struct Normed {
  at::Tensor y, mean, rstd;
};
struct NormGradients {
  at::Tensor x, weight, bias;
};

bool has_norm_kernel(const at::Tensor& x, const at::Tensor& weight) {
  return has_gpu_kernel(x) && weight.scalar_type() == at::kFloat;
}

Normed norm_on_gpu(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias) {
  const std::int64_t width = x.size(-1), rows = x.numel() / width;
  Normed normed{at::empty_like(x), at::empty({rows}, weight.options()), at::empty({rows}, weight.options())};
  if constexpr (kernels::cuda::kBuilt) {
    with_elements(x, [&](auto element) {
      using Element = decltype(element);
      kernels::cuda::layer_norm(elements<Element>(x), elements<float>(weight), elements<float>(bias), rows, width,
                                static_cast<float>(kNormEpsilon), mutable_elements<Element>(normed.y),
                                mutable_elements<float>(normed.mean), mutable_elements<float>(normed.rstd),
                                gpu_stream(x));
    });
  }
  return normed;
}

// `added`, a gradient that x has from elsewhere, may be undefined.
NormGradients norm_backward_on_gpu(const at::Tensor& grad, const at::Tensor& x, const at::Tensor& mean,
                                   const at::Tensor& rstd, const at::Tensor& weight, const at::Tensor& added) {
  const std::int64_t width = x.size(-1), rows = x.numel() / width;
  NormGradients gradients{at::empty_like(x), at::empty_like(weight), at::empty_like(weight)};
  if constexpr (kernels::cuda::kBuilt) {
    const at::Tensor workspace = at::empty({kernels::cuda::layer_norm_workspace(rows, width)}, weight.options());
    with_elements(x, [&](auto element) {
      using Element = decltype(element);
      kernels::cuda::layer_norm_backward(
          elements<Element>(grad), elements<Element>(x), elements<float>(mean), elements<float>(rstd),
          elements<float>(weight), rows, width, added.defined() ? elements<Element>(added) : nullptr,
          mutable_elements<Element>(gradients.x), mutable_elements<float>(gradients.weight),
          mutable_elements<float>(gradients.bias), mutable_elements<float>(workspace), gpu_stream(x));
    });
  }
  return gradients;
}

// Layer normalisation in the parameters' float32. Between forward and backward x is kept as it came.
class WideLayerNorm : public torch::autograd::Function<WideLayerNorm> {
 public:
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& x, const at::Tensor& weight,
                            const at::Tensor& bias) {
    if (has_norm_kernel(x, weight)) {
      const Normed normed = norm_on_gpu(x, weight, bias);
      ctx->save_for_backward({x, weight, bias, normed.mean, normed.rstd});
      return normed.y;
    }
    auto [y, mean, rstd] = at::native_layer_norm(x.to(weight.scalar_type()), {x.size(-1)}, weight, bias, kNormEpsilon);
    ctx->save_for_backward({x, weight, bias, mean, rstd});
    return y.to(x.scalar_type());
  }

  static variable_list backward(AutogradContext* ctx, const variable_list& grads) {
    const variable_list saved = ctx->get_saved_variables();
    const at::Tensor &x = saved[0], &weight = saved[1];
    if (has_norm_kernel(x, weight)) {
      const NormGradients gradients = norm_backward_on_gpu(grads[0].contiguous(), x, saved[3], saved[4], weight, {});
      return {gradients.x, gradients.weight, gradients.bias};
    }
    const at::ScalarType wide = weight.scalar_type();
    auto [grad_x, grad_weight, grad_bias] =
        at::native_layer_norm_backward(grads[0].to(wide), x.to(wide), {x.size(-1)}, saved[3], saved[4], weight,
                                       saved[2], {ctx->needs_input_grad(0), true, true});
    return {grad_x.defined() ? grad_x.to(x.scalar_type()) : grad_x, grad_weight, grad_bias};
  }
};

// {norm(x), x} on a GPU: on the way back one kernel adds up what x gets from both.
class NormBesideResidual : public torch::autograd::Function<NormBesideResidual> {
 public:
  static variable_list forward(AutogradContext* ctx, const at::Tensor& x, const at::Tensor& weight,
                               const at::Tensor& bias) {
    const Normed normed = norm_on_gpu(x, weight, bias);
    ctx->save_for_backward({x, weight, normed.mean, normed.rstd});
    return {normed.y, x};
  }

  static variable_list backward(AutogradContext* ctx, const variable_list& grads) {
    const variable_list saved = ctx->get_saved_variables();
    const NormGradients gradients =
        norm_backward_on_gpu(grads[0].contiguous(), saved[0], saved[2], saved[3], saved[1], grads[1].contiguous());
    return {gradients.x, gradients.weight, gradients.bias};
  }
};

}  // namespace

ColumnLinearImpl::ColumnLinearImpl(std::int64_t in, std::int64_t out, std::shared_ptr<ModelAxis> axis,
                                   std::int64_t blocks, std::int64_t fixed)
    : blocks_(blocks), fixed_(fixed), axis_(std::move(axis)) {
  const std::int64_t rank = axis_->rank(), size = axis_->size();
  weight = register_weight("weight", Role::kMatrix, shard_spec({out, in}, 0, blocks, rank, size));
  bias = register_bias("bias", Role::kMatrix, shard_spec({out}, 0, blocks, rank, size));
}

at::Tensor ColumnLinearImpl::used_bias() const {
  if (fixed_ < 0 || !at::GradMode::is_enabled()) return bias;
  std::vector<at::Tensor> parts = bias.chunk(blocks_);
  at::Tensor& part = parts[static_cast<std::size_t>(fixed_)];
  part = part.detach();
  return at::cat(parts);
}

at::Tensor ColumnLinearImpl::forward(const at::Tensor& x, std::optional<Activation> activation) const {
  return linear_product(axis_->copy_to_region(x), weight, used_bias(), activation);
}

RowLinearImpl::RowLinearImpl(std::int64_t in, std::int64_t out, std::shared_ptr<ModelAxis> axis)
    : axis_(std::move(axis)) {
  weight = register_weight("weight", Role::kMatrix, shard_spec({out, in}, 1, 1, axis_->rank(), axis_->size()));
  bias = register_bias("bias", Role::kMatrix, unsharded_spec({out}));
}

at::Tensor RowLinearImpl::forward(const at::Tensor& x) const {
  // A product that adds the bias itself saves a pass over the result.
  if (axis_->size() == 1) return linear_product(x, weight, bias);
  return axis_->reduce_from_region(linear_product(x, weight, {})) + bias;
}

LayerNormImpl::LayerNormImpl(std::int64_t width) {
  weight = register_weight("weight", Role::kNorm, unsharded_spec({width}));
  bias = register_bias("bias", Role::kNorm, unsharded_spec({width}));
}

at::Tensor wide_layer_norm(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias) {
  return WideLayerNorm::apply(x.contiguous(), weight, bias);
}

std::pair<at::Tensor, at::Tensor> LayerNormImpl::beside_residual(const at::Tensor& x) const {
  if (!has_norm_kernel(x, weight) || !at::GradMode::is_enabled()) return {forward(x), x};
  const variable_list both = NormBesideResidual::apply(x.contiguous(), weight, bias);
  return {both[0], both[1]};
}

at::Tensor LayerNormImpl::forward(const at::Tensor& x) const {
  // LibTorch's kernel for the CPU takes float32 parameters beside bfloat16 values; those for others want one type.
  const bool one_call = x.is_cpu() || x.scalar_type() == weight.scalar_type();
  return one_call && !has_norm_kernel(x, weight) ? at::layer_norm(x, {x.size(-1)}, weight, bias, kNormEpsilon)
                                                 : wide_layer_norm(x, weight, bias);
}

}  // namespace polymoe
