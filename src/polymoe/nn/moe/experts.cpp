#include "polymoe/nn/moe/experts.h"

#include <utility>

#include "polymoe/config/model_options.h"
#include "polymoe/nn/moe/dispatcher.h"
#include "polymoe/nn/partition.h"
#include "polymoe/tensor/torch_headers.h"

#include "polymoe/kernels/segment.h"
#include "polymoe/nn/dropout.h"
#include "polymoe/nn/moe/expert_products.h"
#include "polymoe/nn/moe/experts_call.h"
#include "polymoe/nn/moe/grouped_experts.h"
#include "polymoe/tensor/gpu.h"
#include "polymoe/tensor/host_copy.h"

namespace polymoe {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

using kernels::Segment;

// What a plan, a tensor [segments, 5] int64, holds.
template <typename Function>
void for_each_segment(const at::Tensor& plan, const Function& f) {
  const auto* segment = reinterpret_cast<const Segment*>(plan.const_data_ptr<std::int64_t>());
  for (std::int64_t i = 0; i < plan.size(0); ++i) f(segment[i]);
}

// Drops elements of `active` [slots, ffn here].
void drop_activations(at::Tensor& active, double dropout, const at::Tensor& plan, std::int64_t first_column) {
  if (dropout == 0) return;
  for_each_segment(plan, [&](const Segment& segment) {
    at::Tensor part = active.narrow(0, segment.begin, segment.count);
    counter_dropout_(part, dropout, unpack_key(segment.packed_key),
                     {.first_row = segment.first_name, .first_column = first_column});
  });
}

// Both products of every expert in one autograd node: slices of the stacked weights stay views, and each expert's
// weight gradient is written once, into its place in the stacked gradient.
// Of sliced experts the first slice alone adds the second bias, so that the sum over slices has it once. Its gradient
// is the sum of the incoming gradient all the same, on every slice: the sum of the slices passes the same gradient to
// each, so all keep the same bias.
class ExpertsFunction : public torch::autograd::Function<ExpertsFunction> {
 public:
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& x, const at::Tensor& up_weight,
                            const at::Tensor& up_bias, const at::Tensor& down_weight, const at::Tensor& down_bias,
                            const at::Tensor& expert_begin, const at::Tensor& plan, const ExpertsCall& call) {
    const Activation kind = call.activation;
    at::Tensor inner = at::empty({x.size(0), up_weight.size(1)}, x.options());
    multiply_experts(x, up_weight, up_bias, expert_begin, plan, inner);
    // The backward of ReLU needs only its output, so it can replace its input.
    at::Tensor active = kind == Activation::kRelu ? inner.relu_() : activate(inner, kind);
    if (call.dropout > 0 && kind == Activation::kRelu) active = active.clone();
    drop_activations(active, call.dropout, plan, call.first_column);

    at::Tensor y = at::empty_like(x);
    multiply_experts(active, down_weight, call.adds_bias ? down_bias : at::Tensor(), expert_begin, plan, y);
    ctx->save_for_backward({x, inner, active, up_weight, down_weight, expert_begin, plan});
    call.save(*ctx);
    return y;
  }

  static variable_list backward(AutogradContext* ctx, const variable_list& grads) {
    const variable_list saved = ctx->get_saved_variables();
    const at::Tensor &x = saved[0], &inner = saved[1], &active = saved[2], &up_weight = saved[3],
                     &down_weight = saved[4], &expert_begin = saved[5], &plan = saved[6];
    const ExpertsCall call = ExpertsCall::saved(*ctx);
    const at::Tensor grad = grads[0].contiguous();

    at::Tensor grad_up_weight = at::empty_like(up_weight), grad_down_weight = at::empty_like(down_weight);
    at::Tensor grad_up_bias = at::empty({up_weight.size(0), up_weight.size(1)}, up_weight.options());
    at::Tensor grad_down_bias = at::empty({down_weight.size(0), down_weight.size(1)}, down_weight.options());
    at::Tensor grad_inner = at::empty_like(inner);
    expert_weight_gradients(grad, active, expert_begin, grad_down_weight, grad_down_bias);
    multiply_experts_backward(grad, down_weight, expert_begin, grad_inner);
    drop_activations(grad_inner, call.dropout, plan, call.first_column);
    grad_inner = activate_backward(grad_inner, inner, call.activation);

    at::Tensor grad_x = at::empty_like(x);
    expert_weight_gradients(grad_inner, x, expert_begin, grad_up_weight, grad_up_bias);
    multiply_experts_backward(grad_inner, up_weight, expert_begin, grad_x);
    return {grad_x, grad_up_weight, grad_up_bias, grad_down_weight, grad_down_bias, {}, {}, {}};
  }
};

// Inputs whose plan is on the GPU, with the numbers of slots read from there.
ExpertInputs with_counts(const ExpertInputs& inputs, const ForwardContext& context) {
  const at::Tensor end = inputs.expert_end.to(at::kCPU, at::kLong);
  ExpertInputs known{inputs.rows, at::cat({at::zeros({1}, at::kLong), end}), {}};
  const auto* begin = known.expert_begin.const_data_ptr<std::int64_t>();
  for (std::int64_t e = 0; e < end.size(0); ++e) {
    const std::int64_t count = begin[e + 1] - begin[e];
    if (count > 0) known.segments.push_back({e, begin[e], count, context.micro_batch, first_slot_name(e)});
  }
  return known;
}

}  // namespace

ExpertsImpl::ExpertsImpl(const ModelOptions& options, std::string full_name, const Partition& partition)
    : full_name_(std::move(full_name)),
      activation_(options.activation),
      activation_dropout_(options.activation_dropout) {
  const std::int64_t experts = options.moe.experts, hidden = options.hidden, ffn = options.ffn;
  const std::int64_t slice = partition.slice_experts ? partition.model_axis->rank() : 0;
  const std::int64_t slices = partition.slice_experts ? partition.model_axis->size() : 1;
  // The experts here, cut in dimension `ffn_dim` too; -1 for none.
  const auto part_of = [&](const std::vector<std::int64_t>& shape, std::int64_t ffn_dim) {
    ShardSpec shard = shard_spec(shape, 0, 1, partition.expert_rank, partition.expert_parts);
    if (ffn_dim < 0) return shard;
    const auto dim = static_cast<std::size_t>(ffn_dim);
    shard.ranges[dim] = shard_spec(shape, ffn_dim, 1, slice, slices).ranges[dim];
    return shard;
  };
  up_weight = register_weight("up_weight", Role::kExpert, part_of({experts, ffn, hidden}, 1));
  up_bias = register_bias("up_bias", Role::kExpert, part_of({experts, ffn}, 1));
  down_weight = register_weight("down_weight", Role::kExpert, part_of({experts, hidden, ffn}, 2));
  down_bias = register_bias("down_bias", Role::kExpert, part_of({experts, hidden}, -1));
  first_column_ = ffn * slice / slices;
  adds_bias_ = slice == 0;
}

at::Tensor ExpertsImpl::plan_segments(const std::vector<SlotSegment>& segments, const ForwardContext& context) const {
  at::Tensor plan = at::empty({static_cast<std::int64_t>(segments.size()), kernels::kSegmentColumns}, at::kLong);
  auto* row = reinterpret_cast<Segment*>(plan.mutable_data_ptr<std::int64_t>());
  for (const SlotSegment& segment : segments) {
    const std::int64_t key = pack_key(context.random_key(full_name_ + ".activation", segment.micro_batch));
    *row++ = {segment.expert, segment.begin, segment.count, segment.first_name, key};
  }
  return plan;
}

std::vector<ExpertWeights> ExpertsImpl::split(const std::vector<std::int64_t>& runs) const {
  if (runs.size() == 1) return {{up_weight, up_bias, down_weight, down_bias}};
  // One node for all runs of a parameter, so that its gradient is put together once.
  const std::vector<at::Tensor> up = up_weight.split_with_sizes(runs), up_biases = up_bias.split_with_sizes(runs);
  const std::vector<at::Tensor> down = down_weight.split_with_sizes(runs),
                                down_biases = down_bias.split_with_sizes(runs);
  std::vector<ExpertWeights> weights;
  for (std::size_t run = 0; run < runs.size(); ++run) {
    weights.push_back({up[run], up_biases[run], down[run], down_biases[run]});
  }
  return weights;
}

at::Tensor ExpertsImpl::forward_grouped(const ExpertInputs& inputs, const ExpertWeights& weights,
                                        const ExpertsCall& call, const ForwardContext& context) const {
  const at::Device device = inputs.rows.device();
  if (!inputs.expert_end.defined()) {
    const at::Tensor end = send_to(inputs.expert_begin.slice(0, 1).to(at::kInt), device);
    const at::Tensor segments = send_to(plan_segments(inputs.segments, context), device);
    return grouped_experts(inputs.rows, weights, end, segments, call);
  }
  const PhiloxKey key = context.random_key(full_name_ + ".activation");
  return grouped_experts(inputs.rows, weights, inputs.expert_end, segments_of_experts(inputs.expert_end, key), call);
}

at::Tensor ExpertsImpl::forward(const ExpertInputs& inputs, const ExpertWeights& weights,
                                const ForwardContext& context) {
  const ExpertsCall call{activation_, context.training ? activation_dropout_ : 0.0, first_column_, adds_bias_};
  if (can_group(inputs.rows, weights)) return forward_grouped(inputs, weights, call, context);
  // Products one by one need the numbers of slots on the host.
  const ExpertInputs known = inputs.expert_end.defined() ? with_counts(inputs, context) : inputs;
  return ExpertsFunction::apply(known.rows, weights.up_weight, weights.up_bias, weights.down_weight, weights.down_bias,
                                known.expert_begin, plan_segments(known.segments, context), call);
}

}  // namespace polymoe
