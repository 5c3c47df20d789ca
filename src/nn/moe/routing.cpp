#include "nn/moe/routing.h"

#include <algorithm>
#include <cmath>

#include "nn/torch_headers.h"

#include "kernels/cpu/rows.h"

namespace polymoe {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

constexpr std::int64_t kGrainElements = 1 << 15;

std::int64_t grain(std::int64_t width) { return std::max<std::int64_t>(1, kGrainElements / width); }

bool has_kernel(const at::Tensor& x) {
  return x.is_cpu() && (x.scalar_type() == at::kFloat || x.scalar_type() == at::kBFloat16);
}

// Calls f with the kernels' view of the element type.
template <typename Function>
void with_elements(const at::Tensor& x, const Function& f) {
  if (x.scalar_type() == at::kFloat) {
    f(float{});
  } else {
    f(kernels::BFloat16{});
  }
}

template <typename Element>
const Element* elements(const at::Tensor& x) {
  return static_cast<const Element*>(x.const_data_ptr());
}

at::Tensor gather(const at::Tensor& x, const at::Tensor& index) {
  if (!has_kernel(x)) return x.index_select(0, index);
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

// weights may be undefined, meaning 1.
at::Tensor combine(const at::Tensor& slots, const at::Tensor& weights, const at::Tensor& slot_of) {
  const std::int64_t tokens = slot_of.size(0), top_k = slot_of.size(1), width = slots.size(1);
  if (!has_kernel(slots)) {
    at::Tensor out = at::zeros({tokens, width}, slots.options());
    for (std::int64_t j = 0; j < top_k && slots.size(0) > 0; ++j) {
      const at::Tensor slot = slot_of.select(1, j);
      at::Tensor part = slots.index_select(0, slot.clamp_min(0)) * (slot >= 0).unsqueeze(1);
      if (weights.defined()) part = part * weights.select(1, j).unsqueeze(1).to(slots.scalar_type());
      out += part;
    }
    return out;
  }
  at::Tensor out = at::empty({tokens, width}, slots.options());
  const float* weight = weights.defined() ? weights.const_data_ptr<float>() : nullptr;
  const std::int64_t* slot = slot_of.const_data_ptr<std::int64_t>();
  with_elements(slots, [&](auto element) {
    using Element = decltype(element);
    const Element* from = elements<Element>(slots);
    auto* to = static_cast<Element*>(out.mutable_data_ptr());
    at::parallel_for(0, tokens, grain(width), [&](std::int64_t begin, std::int64_t end) {
      kernels::combine_rows(from, weight, slot, to, width, top_k, begin, end);
    });
  });
  return out;
}

struct CombineGradients {
  at::Tensor slots;    // [slots, width]
  at::Tensor weights;  // [tokens, top_k]
};

CombineGradients combine_backward(const at::Tensor& grad, const at::Tensor& slots, const at::Tensor& weights,
                                  const at::Tensor& slot_of) {
  CombineGradients result;
  const std::int64_t tokens = slot_of.size(0), top_k = slot_of.size(1), width = slots.size(1);
  if (!has_kernel(slots)) {
    result.slots = at::zeros_like(slots);
    result.weights = at::zeros_like(weights);
    for (std::int64_t j = 0; j < top_k && slots.size(0) > 0; ++j) {
      const at::Tensor kept = at::nonzero(slot_of.select(1, j) >= 0).squeeze(1);
      const at::Tensor slot = slot_of.select(1, j).index_select(0, kept);
      const at::Tensor kept_grad = grad.index_select(0, kept);
      const at::Tensor weight = weights.select(1, j).index_select(0, kept).unsqueeze(1).to(slots.scalar_type());
      result.slots.index_copy_(0, slot, kept_grad * weight);
      const at::Tensor products = (kept_grad * slots.index_select(0, slot)).sum(1).to(weights.scalar_type());
      result.weights.select(1, j).index_copy_(0, kept, products);
    }
    return result;
  }
  result.slots = at::empty_like(slots);
  result.weights = at::empty_like(weights);
  const float* weight = weights.const_data_ptr<float>();
  auto* grad_weight = result.weights.mutable_data_ptr<float>();
  const std::int64_t* slot = slot_of.const_data_ptr<std::int64_t>();
  with_elements(slots, [&](auto element) {
    using Element = decltype(element);
    auto* to = static_cast<Element*>(result.slots.mutable_data_ptr());
    at::parallel_for(0, tokens, grain(width), [&](std::int64_t begin, std::int64_t end) {
      kernels::combine_rows_backward(elements<Element>(grad), elements<Element>(slots), weight, slot, to, grad_weight,
                                     width, top_k, begin, end);
    });
  });
  return result;
}

// Its backward is the unweighted combine: the gradient of a token is the sum over its slots.
class ToSlots : public torch::autograd::Function<ToSlots> {
 public:
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& x, const at::Tensor& slot_token,
                            const at::Tensor& slot_of) {
    ctx->save_for_backward({slot_of});
    return gather(x, slot_token);
  }
  static variable_list backward(AutogradContext* ctx, const variable_list& grads) {
    return {combine(grads[0].contiguous(), {}, ctx->get_saved_variables()[0]), {}, {}};
  }
};

class ToTokens : public torch::autograd::Function<ToTokens> {
 public:
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& y, const at::Tensor& weights,
                            const at::Tensor& slot_of) {
    ctx->save_for_backward({y, weights, slot_of});
    return combine(y, weights, slot_of);
  }
  static variable_list backward(AutogradContext* ctx, const variable_list& grads) {
    const variable_list saved = ctx->get_saved_variables();
    CombineGradients result = combine_backward(grads[0].contiguous(), saved[0], saved[1], saved[2]);
    return {result.slots, result.weights, {}};
  }
};

// A tensor over memory that `owner` keeps alive.
at::Tensor view_of(const std::vector<std::int64_t>& values, at::IntArrayRef sizes,
                   std::shared_ptr<const kernels::RoutingPlan> owner) {
  auto* data = const_cast<std::int64_t*>(values.data());
  return at::from_blob(
      data, sizes, [owner = std::move(owner)](void*) {}, at::kLong);
}

}  // namespace

double capacity_factor_at(const MoeOptions& options, std::uint64_t update) {
  if (options.final_capacity_factor == 0) return options.capacity_factor;
  const double way = std::min(1.0, static_cast<double>(update) / static_cast<double>(options.capacity_updates));
  return options.capacity_factor + way * (options.final_capacity_factor - options.capacity_factor);
}

std::int64_t expert_capacity(const MoeOptions& options, std::int64_t tokens, bool training, std::uint64_t update) {
  if (options.capacity == "dropless") return 0;
  const double factor = training ? capacity_factor_at(options, update) : options.eval_capacity_factor;
  const double share = static_cast<double>(options.top_k * tokens) / static_cast<double>(options.experts);
  // A capacity of 0 would mean "no limit" to the planner; an expert always has room for one token.
  return std::max<std::int64_t>({1, options.min_capacity, static_cast<std::int64_t>(std::ceil(share * factor))});
}

Routing make_routing(const at::Tensor& expert_ids, const MoeOptions& options, std::int64_t capacity, PhiloxKey key) {
  const at::Tensor ids = expert_ids.to(at::kCPU).contiguous();
  const std::int64_t tokens = ids.size(0), top_k = ids.size(1);
  auto plan = std::make_shared<const kernels::RoutingPlan>(
      kernels::plan_routing(ids.const_data_ptr<std::int64_t>(), tokens, top_k, options.experts, capacity,
                            {options.random_token_selection, key}));
  Routing routing;
  routing.plan = plan;
  routing.slot_token = view_of(plan->slot_token, {plan->slots()}, plan).to(expert_ids.device());
  routing.slot_of = view_of(plan->slot_of, {tokens, top_k}, plan).to(expert_ids.device());
  routing.expert_begin = view_of(plan->expert_begin, {plan->experts + 1}, plan);
  return routing;
}

at::Tensor tokens_to_slots(const at::Tensor& x, const Routing& routing) {
  return ToSlots::apply(x.contiguous(), routing.slot_token, routing.slot_of);
}

at::Tensor slots_to_tokens(const at::Tensor& y, const at::Tensor& weights, const Routing& routing) {
  return ToTokens::apply(y.contiguous(), weights.contiguous(), routing.slot_of);
}

}  // namespace polymoe
