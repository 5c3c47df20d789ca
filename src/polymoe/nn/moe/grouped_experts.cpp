#include "polymoe/nn/moe/grouped_experts.h"

#include "polymoe/tensor/torch_headers.h"

#include "polymoe/kernels/cuda/device.h"
#include "polymoe/kernels/cuda/segments.h"
#include "polymoe/nn/moe/experts_call.h"
#include "polymoe/tensor/gpu.h"

namespace polymoe {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

kernels::cuda::Segments table_of(const at::Tensor& segments) {
  return {reinterpret_cast<const kernels::Segment*>(segments.const_data_ptr<std::int64_t>()), segments.size(0)};
}

// Where no kernels are built nothing comes here: can_group() says no.

// values += bias of each row's expert; where `active` is defined it becomes the activation of the sums.
void add_bias(const at::Tensor& values, const at::Tensor& bias, const at::Tensor& active, Activation activation,
              const at::Tensor& segments) {
  if constexpr (kernels::cuda::kBuilt) {
    with_elements(values, [&](auto element) {
      using Element = decltype(element);
      kernels::cuda::add_segment_bias(mutable_elements<Element>(values), elements<Element>(bias),
                                      active.defined() ? mutable_elements<Element>(active) : nullptr, activation,
                                      values.size(0), values.size(1), table_of(segments), gpu_stream(values));
    });
  }
}

void drop(const at::Tensor& active, double dropout, std::int64_t first_column, const at::Tensor& segments) {
  if (dropout == 0) return;
  if constexpr (kernels::cuda::kBuilt) {
    with_elements(active, [&](auto element) {
      kernels::cuda::segment_dropout(mutable_elements<decltype(element)>(active), active.size(0), active.size(1),
                                     first_column, dropout, table_of(segments), gpu_stream(active));
    });
  }
}

at::Tensor sum_by_expert(const at::Tensor& values, const at::Tensor& expert_end) {
  at::Tensor sums = at::empty({expert_end.size(0), values.size(1)}, values.options());
  if constexpr (kernels::cuda::kBuilt) {
    with_elements(values, [&](auto element) {
      using Element = decltype(element);
      kernels::cuda::sum_by_expert(elements<Element>(values), expert_end.const_data_ptr<std::int32_t>(),
                                   expert_end.size(0), values.size(1), mutable_elements<Element>(sums),
                                   gpu_stream(values));
    });
  }
  return sums;
}

// As ExpertsFunction has it (experts.cpp), for all experts at a time.
class GroupedExperts : public torch::autograd::Function<GroupedExperts> {
 public:
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& x, const at::Tensor& up_weight,
                            const at::Tensor& up_bias, const at::Tensor& down_weight, const at::Tensor& down_bias,
                            const at::Tensor& expert_end, const at::Tensor& segments, const ExpertsCall& call) {
    const at::Tensor inner = at::_grouped_mm(x, up_weight.transpose(1, 2), expert_end);
    // The backward of ReLU needs only its output, so it can replace its input.
    const bool in_place = call.activation == Activation::kRelu && call.dropout == 0;
    const at::Tensor active = in_place ? inner : at::empty_like(inner);
    add_bias(inner, up_bias, active, call.activation, segments);
    drop(active, call.dropout, call.first_column, segments);

    at::Tensor y = at::_grouped_mm(active, down_weight.transpose(1, 2), expert_end);
    if (call.adds_bias) add_bias(y, down_bias, {}, call.activation, segments);
    ctx->save_for_backward({x, inner, active, up_weight, down_weight, expert_end, segments});
    call.save(*ctx);
    return y;
  }

  static variable_list backward(AutogradContext* ctx, const variable_list& grads) {
    const variable_list saved = ctx->get_saved_variables();
    const at::Tensor &x = saved[0], &inner = saved[1], &active = saved[2], &up_weight = saved[3],
                     &down_weight = saved[4], &expert_end = saved[5], &segments = saved[6];
    const ExpertsCall call = ExpertsCall::saved(*ctx);
    const at::Tensor grad = grads[0].contiguous();
    const at::Tensor grad_down_weight = at::_grouped_mm(grad.t(), active, expert_end);
    const at::Tensor grad_down_bias = sum_by_expert(grad, expert_end);
    at::Tensor grad_inner = at::_grouped_mm(grad, down_weight, expert_end);
    drop(grad_inner, call.dropout, call.first_column, segments);
    grad_inner = activate_backward(grad_inner, inner, call.activation);

    const at::Tensor grad_up_weight = at::_grouped_mm(grad_inner.t(), x, expert_end);
    const at::Tensor grad_up_bias = sum_by_expert(grad_inner, expert_end);
    const at::Tensor grad_x = at::_grouped_mm(grad_inner, up_weight, expert_end);
    return {grad_x, grad_up_weight, grad_up_bias, grad_down_weight, grad_down_bias, {}, {}, {}};
  }
};

// LibTorch has them for Hopper and Blackwell; elsewhere at::_grouped_mm() is a loop that waits for the numbers of
// slots.
bool has_grouped_products() {
  if constexpr (kernels::cuda::kBuilt) {
    const int generation = kernels::cuda::compute_capability_major();
    return generation == 9 || generation == 10;
  }
  return false;
}

bool starts_aligned(const at::Tensor& x) { return reinterpret_cast<std::uintptr_t>(x.const_data_ptr()) % 16 == 0; }

}  // namespace

bool can_group(const at::Tensor& rows, const ExpertWeights& weights) {
  // Rows of 16 bytes' multiples, and what the grouped product was compiled for.
  constexpr std::int64_t kElements = 8, kMostExperts = 1024;
  return has_gpu_kernel(rows) && rows.scalar_type() == at::kBFloat16 && has_grouped_products() && rows.size(0) > 0 &&
         weights.up_weight.size(1) % kElements == 0 && weights.up_weight.size(2) % kElements == 0 &&
         weights.up_weight.size(0) < kMostExperts && starts_aligned(rows) && starts_aligned(weights.up_weight) &&
         starts_aligned(weights.down_weight);
}

at::Tensor segments_of_experts(const at::Tensor& expert_end, PhiloxKey key) {
  at::Tensor table = at::empty({expert_end.size(0), kernels::kSegmentColumns}, expert_end.options().dtype(at::kLong));
  if constexpr (kernels::cuda::kBuilt) {
    kernels::cuda::make_segments(expert_end.const_data_ptr<std::int32_t>(), expert_end.size(0), pack_key(key),
                                 reinterpret_cast<kernels::Segment*>(table.mutable_data_ptr<std::int64_t>()),
                                 gpu_stream(expert_end));
  }
  return table;
}

at::Tensor grouped_experts(const at::Tensor& rows, const ExpertWeights& weights, const at::Tensor& expert_end,
                           const at::Tensor& segments, const ExpertsCall& call) {
  return GroupedExperts::apply(rows.contiguous(), weights.up_weight, weights.up_bias, weights.down_weight,
                               weights.down_bias, expert_end, segments, call);
}

}  // namespace polymoe
