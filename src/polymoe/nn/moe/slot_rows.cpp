#include "polymoe/nn/moe/slot_rows.h"

#include <algorithm>

#include "polymoe/tensor/torch_headers.h"

#include "polymoe/kernels/cpu/rows.h"
#include "polymoe/kernels/cuda/rows.h"
#include "polymoe/nn/moe/assignments.h"
#include "polymoe/tensor/gpu.h"

namespace polymoe {
namespace {

constexpr std::int64_t kGrainElements = 1 << 15;

std::int64_t grain(std::int64_t width) { return std::max<std::int64_t>(1, kGrainElements / width); }

// A list of unequally many assignments as a table: [tokens, most] indices into it, -1 where there is none.
at::Tensor assignment_table(const at::Tensor& token_begin) {
  const at::Tensor first = token_begin.slice(0, 0, -1), counts = token_begin.slice(0, 1) - first;
  const std::int64_t most = counts.size(0) > 0 ? counts.max().item<std::int64_t>() : 0;
  const at::Tensor choice = at::arange(most, token_begin.options());
  return at::where(choice < counts.unsqueeze(1), first.unsqueeze(1) + choice, at::full({}, -1, token_begin.options()));
}

// Values of a list's assignments in its table, `none` where there is none.
at::Tensor in_table(const at::Tensor& values, const at::Tensor& table, double none) {
  if (values.numel() == 0) return at::full(table.sizes(), none, values.options());
  return values.index_select(0, table.clamp_min(0).view(-1)).view(table.sizes()).masked_fill(table < 0, none);
}

}  // namespace

at::Tensor gather_rows(const at::Tensor& x, const at::Tensor& index) {
  if (!has_cpu_kernel(x)) return x.index_select(0, index);
  const std::int64_t row_bytes = x.size(1) * static_cast<std::int64_t>(x.element_size());
  at::Tensor out = at::empty({index.size(0), x.size(1)}, x.options());
  const void* from = x.const_data_ptr();
  void* to = out.mutable_data_ptr();
  const std::int64_t* rows = index.const_data_ptr<std::int64_t>();
  at::parallel_for(0, index.size(0), grain(x.size(1)), [&](std::int64_t begin, std::int64_t end) {
    kernels::gather_rows(from, to, rows, row_bytes, begin, end);
  });
  return out;
}

at::Tensor combine_slots(const at::Tensor& slots, const at::Tensor& weights, const at::Tensor& slot_of,
                         const at::Tensor& token_begin) {
  if (!has_cpu_kernel(slots) && !has_gpu_kernel(slots)) {
    return combine_slots_without_kernel(slots, weights, slot_of, token_begin);
  }
  const kernels::TokenRanges tokens = ranges_of(slot_of, token_begin);
  const std::int64_t width = slots.size(1);
  at::Tensor out = at::empty({tokens.tokens, width}, slots.options());
  const float* weight = weights.defined() ? weights.const_data_ptr<float>() : nullptr;
  const std::int64_t* slot = slot_of.const_data_ptr<std::int64_t>();
  if constexpr (kernels::cuda::kBuilt) {
    if (has_gpu_kernel(slots)) {
      with_elements(slots, [&](auto element) {
        using Element = decltype(element);
        kernels::cuda::combine_rows(elements<Element>(slots), weight, slot, mutable_elements<Element>(out), width,
                                    tokens, gpu_stream(slots));
      });
      return out;
    }
  }
  with_elements(slots, [&](auto element) {
    using Element = decltype(element);
    const Element* from = elements<Element>(slots);
    auto* to = mutable_elements<Element>(out);
    at::parallel_for(0, tokens.tokens, grain(width), [&](std::int64_t begin, std::int64_t end) {
      kernels::combine_rows(from, weight, slot, to, width, tokens, begin, end);
    });
  });
  return out;
}

at::Tensor combine_slots_without_kernel(const at::Tensor& slots, const at::Tensor& weights, const at::Tensor& slot_of,
                                        const at::Tensor& token_begin) {
  if (token_begin.defined()) {
    const at::Tensor table = assignment_table(token_begin);
    const at::Tensor weight_table = weights.defined() ? in_table(weights, table, 0.0) : at::Tensor();
    return combine_slots_without_kernel(slots, weight_table, in_table(slot_of, table, -1));
  }
  const at::ScalarType wide = wide_type(slots);
  at::Tensor sum = at::zeros({slot_of.size(0), slots.size(1)}, slots.options().dtype(wide));
  for (std::int64_t j = 0; j < slot_of.size(1) && slots.size(0) > 0; ++j) {
    const at::Tensor slot = slot_of.select(1, j);
    at::Tensor weight = (slot >= 0).to(wide);
    if (weights.defined()) weight = weight * weights.select(1, j).to(wide);
    sum.addcmul_(slots.index_select(0, slot.clamp_min(0)).to(wide), weight.unsqueeze(1));
  }
  return sum.to(slots.scalar_type());
}

CombineGradients combine_slots_backward(const at::Tensor& grad, const at::Tensor& slots, const at::Tensor& weights,
                                        const at::Tensor& slot_of, const at::Tensor& token_begin) {
  if (!has_cpu_kernel(slots) && !has_gpu_kernel(slots)) {
    return combine_slots_backward_without_kernel(grad, slots, weights, slot_of, token_begin);
  }
  const kernels::TokenRanges tokens = ranges_of(slot_of, token_begin);
  const std::int64_t width = slots.size(1);
  CombineGradients result{at::empty_like(slots), at::empty_like(weights)};
  const float* weight = weights.const_data_ptr<float>();
  auto* grad_weight = result.weights.mutable_data_ptr<float>();
  const std::int64_t* slot = slot_of.const_data_ptr<std::int64_t>();
  if constexpr (kernels::cuda::kBuilt) {
    if (has_gpu_kernel(slots)) {
      with_elements(slots, [&](auto element) {
        using Element = decltype(element);
        kernels::cuda::combine_rows_backward(elements<Element>(grad), elements<Element>(slots), weight, slot,
                                             mutable_elements<Element>(result.slots), grad_weight, width, tokens,
                                             gpu_stream(slots));
      });
      return result;
    }
  }
  with_elements(slots, [&](auto element) {
    using Element = decltype(element);
    auto* to = mutable_elements<Element>(result.slots);
    at::parallel_for(0, tokens.tokens, grain(width), [&](std::int64_t begin, std::int64_t end) {
      kernels::combine_rows_backward(elements<Element>(grad), elements<Element>(slots), weight, slot, to, grad_weight,
                                     width, tokens, begin, end);
    });
  });
  return result;
}

CombineGradients combine_slots_backward_without_kernel(const at::Tensor& grad, const at::Tensor& slots,
                                                       const at::Tensor& weights, const at::Tensor& slot_of,
                                                       const at::Tensor& token_begin) {
  if (token_begin.defined()) {
    const at::Tensor table = assignment_table(token_begin);
    CombineGradients result =
        combine_slots_backward_without_kernel(grad, slots, in_table(weights, table, 0.0), in_table(slot_of, table, -1));
    result.weights = result.weights.masked_select(table >= 0);  // row after row, as the list has them
    return result;
  }
  const at::ScalarType wide = wide_type(slots);
  CombineGradients result{at::zeros_like(slots), at::zeros_like(weights)};
  for (std::int64_t j = 0; j < slot_of.size(1) && slots.size(0) > 0; ++j) {
    const at::Tensor kept = at::nonzero(slot_of.select(1, j) >= 0).squeeze(1);
    const at::Tensor slot = slot_of.select(1, j).index_select(0, kept);
    const at::Tensor kept_grad = grad.index_select(0, kept).to(wide);
    const at::Tensor weight = weights.select(1, j).index_select(0, kept).unsqueeze(1).to(wide);
    result.slots.index_copy_(0, slot, (kept_grad * weight).to(slots.scalar_type()));
    const at::Tensor products = (kept_grad * slots.index_select(0, slot).to(wide)).sum(1);
    result.weights.select(1, j).index_copy_(0, kept, products.to(weights.scalar_type()));
  }
  return result;
}

}  // namespace polymoe
