#include "polymoe/nn/dropout.h"

#include "polymoe/tensor/torch_headers.h"

#include "polymoe/kernels/cpu/dropout.h"
#include "polymoe/kernels/cuda/dropout.h"
#include "polymoe/tensor/gpu.h"
#include "polymoe/tensor/host_copy.h"

namespace polymoe {
namespace {

template <typename Element>
void apply_on_cpu(const at::Tensor& input, at::Tensor& output, double p, PhiloxKey key, const MaskPlace& place) {
  const std::int64_t width = input.size(1);
  const Element* in = elements<Element>(input);
  Element* out = mutable_elements<Element>(output);
  const std::int64_t* ids = place.row_ids.defined() ? place.row_ids.const_data_ptr<std::int64_t>() : nullptr;
  constexpr std::int64_t kGrainElements = 1 << 14;
  at::parallel_for(
      0, input.size(0), std::max<std::int64_t>(1, kGrainElements / width), [&](std::int64_t begin, std::int64_t end) {
        kernels::dropout(in + begin * width, out + begin * width, end - begin, width,
                         ids != nullptr ? ids + begin : nullptr, place.first_row + begin, place.first_column, p, key);
      });
}

// output = added + dropout(input); `added` may be undefined.
void apply_on_gpu(const at::Tensor& input, const at::Tensor& added, const at::Tensor& output, double p, PhiloxKey key,
                  const MaskPlace& place) {
  if constexpr (kernels::cuda::kBuilt) {
    const at::Tensor ids = place.row_ids.defined() ? send_to(place.row_ids, input.device()) : place.row_ids;
    with_elements(input, [&](auto element) {
      using Element = decltype(element);
      kernels::cuda::dropout(elements<Element>(input), added.defined() ? elements<Element>(added) : nullptr,
                             mutable_elements<Element>(output), input.size(0), input.size(1),
                             ids.defined() ? ids.const_data_ptr<std::int64_t>() : nullptr, place.first_row,
                             place.first_column, p, key, gpu_stream(input));
    });
  }
}

void apply_mask(const at::Tensor& input, at::Tensor& output, double p, PhiloxKey key, const MaskPlace& place) {
  if (has_gpu_kernel(input)) return apply_on_gpu(input, {}, output, p, key, place);
  if (has_cpu_kernel(input)) {
    return with_elements(input, [&](auto element) { apply_on_cpu<decltype(element)>(input, output, p, key, place); });
  }
  // By a mask in float32, which the host makes where the device has no kernel: the numbers are the same on every
  // device. float64 serves gradient checks, float16 GPUs without bfloat16.
  at::Tensor mask = at::ones(input.sizes(), input.options().dtype(at::kFloat));
  if (!has_gpu_kernel(mask)) mask = mask.cpu();
  apply_mask(mask, mask, p, key, place);
  at::mul_out(output, input, mask.to(input.options()));
}

void add_masked(const at::Tensor& x, const at::Tensor& y, at::Tensor& output, double p, PhiloxKey key) {
  if (has_gpu_kernel(y)) return apply_on_gpu(y, x, output, p, key, {});
  apply_mask(y, output, p, key, {});
  output.add_(x);
}

class DropoutFunction : public torch::autograd::Function<DropoutFunction> {
 public:
  static at::Tensor forward(torch::autograd::AutogradContext* ctx, const at::Tensor& x, double p, PhiloxKey key,
                            const MaskPlace& place) {
    ctx->saved_data["p"] = p;
    ctx->saved_data["key"] = pack_key(key);
    ctx->saved_data["first_row"] = place.first_row;
    ctx->saved_data["first_column"] = place.first_column;
    ctx->save_for_backward({place.row_ids});
    at::Tensor output = at::empty_like(x);
    apply_mask(x, output, p, key, place);
    return output;
  }
  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* ctx,
                                                 const torch::autograd::variable_list& grads) {
    const at::Tensor grad = grads[0].contiguous();
    at::Tensor output = at::empty_like(grad);
    const MaskPlace place{ctx->saved_data["first_row"].toInt(), ctx->saved_data["first_column"].toInt(),
                          ctx->get_saved_variables()[0]};
    apply_mask(grad, output, ctx->saved_data["p"].toDouble(), unpack_key(ctx->saved_data["key"].toInt()), place);
    return {output, {}, {}, {}};
  }
};

// x + dropout(y); the gradient of x is that of the sum.
class AddDropoutFunction : public torch::autograd::Function<AddDropoutFunction> {
 public:
  static at::Tensor forward(torch::autograd::AutogradContext* ctx, const at::Tensor& x, const at::Tensor& y, double p,
                            PhiloxKey key) {
    ctx->saved_data["p"] = p;
    ctx->saved_data["key"] = pack_key(key);
    at::Tensor output = at::empty_like(y);
    add_masked(x, y, output, p, key);
    return output;
  }
  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* ctx,
                                                 const torch::autograd::variable_list& grads) {
    const at::Tensor grad = grads[0].contiguous();
    at::Tensor grad_y = at::empty_like(grad);
    apply_mask(grad, grad_y, ctx->saved_data["p"].toDouble(), unpack_key(ctx->saved_data["key"].toInt()), {});
    return {grad, grad_y, {}, {}};
  }
};

}  // namespace

at::Tensor add_dropout(const at::Tensor& x, const at::Tensor& y, double p, PhiloxKey key) {
  return p == 0.0 ? x + y : AddDropoutFunction::apply(x.contiguous(), y.contiguous(), p, key);
}

at::Tensor counter_dropout(const at::Tensor& x, double p, PhiloxKey key, const MaskPlace& place) {
  return p == 0.0 ? x : DropoutFunction::apply(x.contiguous(), p, key, place);
}

void counter_dropout_(at::Tensor& x, double p, PhiloxKey key, const MaskPlace& place) {
  if (p > 0.0) apply_mask(x, x, p, key, place);
}

}  // namespace polymoe
