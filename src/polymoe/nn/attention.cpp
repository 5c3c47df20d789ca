#include "polymoe/nn/attention.h"

#include <cmath>
#include <utility>

#include "polymoe/config/model_options.h"
#include "polymoe/tensor/torch_headers.h"

#include "polymoe/nn/dropout.h"
#include "polymoe/nn/packed_attention.h"

namespace polymoe {
namespace {

// Of queries, keys and values. A bias of the keys adds the same to all of a query's scores, which the softmax takes off
// again: its gradient is zero, and in floating point just the rounding, of which Adam would make steps of full size.
constexpr std::int64_t kKeys = 1;

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// [rows, length, parts * heads * head width] -> [parts, rows, heads, length, head width], a view.
at::Tensor heads_apart(const at::Tensor& x, std::int64_t parts, std::int64_t heads) {
  const std::int64_t head_width = x.size(2) / (parts * heads);
  return x.view({x.size(0), x.size(1), parts, heads, head_width}).permute({2, 0, 3, 1, 4});
}

// The gradients of the parts are written to their places in one pass: autograd would stack them and then permute that.
class SplitHeads : public torch::autograd::Function<SplitHeads> {
 public:
  static variable_list forward(AutogradContext* ctx, const at::Tensor& x, std::int64_t parts, std::int64_t heads) {
    ctx->saved_data["heads"] = heads;
    return heads_apart(x, parts, heads).unbind(0);
  }
  static variable_list backward(AutogradContext* ctx, const variable_list& grads) {
    const std::int64_t heads = ctx->saved_data["heads"].toInt(), parts = static_cast<std::int64_t>(grads.size());
    const at::Tensor& first = grads[0];
    at::Tensor grad = at::empty({first.size(0), first.size(2), parts * heads * first.size(3)}, first.options());
    const at::Tensor places = heads_apart(grad, parts, heads);
    for (std::int64_t part = 0; part < parts; ++part) places[part].copy_(grads[static_cast<std::size_t>(part)]);
    return {grad, {}, {}};
  }
};

// [rows, length, parts * heads * head width] -> parts tensors [rows, heads, length, head width], views.
std::vector<at::Tensor> split_heads(const at::Tensor& x, std::int64_t parts, std::int64_t heads) {
  if (at::GradMode::is_enabled()) return SplitHeads::apply(x, parts, heads);
  return heads_apart(x, parts, heads).unbind(0);
}

// [rows, heads, length, head width] -> [rows, length, heads * head width]
at::Tensor join_heads(const at::Tensor& x) {
  return x.transpose(1, 2).reshape({x.size(0), x.size(2), x.size(1) * x.size(3)});
}

// The rows [rows * heads here * queries] of the attention weights in those of all heads. Undefined when they are all.
at::Tensor weight_rows(const at::Tensor& q, const HeadSlice& heads) {
  if (heads.count == heads.all) return {};
  const at::Tensor rows = at::arange(q.size(0), at::kLong).view({-1, 1, 1});
  const at::Tensor head = at::arange(heads.first, heads.first + heads.count, at::kLong).view({-1, 1});
  return ((rows * heads.all + head) * q.size(2) + at::arange(q.size(2), at::kLong)).flatten();
}

// softmax(q k^T / sqrt(d) + mask) v, with dropout on the weights written out: the fused kernels draw their own random
// numbers.
at::Tensor attend_with_dropout(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, const at::Tensor& mask,
                               bool causal, double dropout, PhiloxKey key, const HeadSlice& heads) {
  at::Tensor scores = at::matmul(q, k.transpose(-1, -2)) / std::sqrt(static_cast<double>(q.size(3)));
  if (mask.defined()) scores = scores + mask;
  if (causal) {
    const at::Tensor future = at::ones({q.size(2), k.size(2)}, q.options().dtype(at::kBool)).triu(1);
    scores = scores.masked_fill(future, -INFINITY);
  }
  const at::Tensor weights = at::softmax(scores, -1);
  const MaskPlace place{.row_ids = weight_rows(q, heads)};
  return at::matmul(counter_dropout(weights.flatten(0, 2), dropout, key, place).view(weights.sizes()), v);
}

at::Tensor attend(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, const at::Tensor& mask, bool causal,
                  double dropout, PhiloxKey key, const HeadSlice& heads) {
  const at::Tensor typed_mask = mask.defined() ? mask.to(q.scalar_type()) : mask;
  if (dropout > 0) return attend_with_dropout(q, k, v, typed_mask, causal, dropout, key, heads);
  std::optional<at::Tensor> attention_mask;
  if (typed_mask.defined()) attention_mask = typed_mask.expand({q.size(0), 1, q.size(2), k.size(2)});
  return at::scaled_dot_product_attention(q, k, v, attention_mask, 0.0, causal);
}

void append(at::Tensor& stored, const at::Tensor& step, std::int64_t length) {
  if (!stored.defined() || length == stored.size(2)) {
    constexpr std::int64_t kFirstCapacity = 16;
    std::vector<std::int64_t> sizes = step.sizes().vec();
    sizes[2] = stored.defined() ? 2 * stored.size(2) : kFirstCapacity;
    at::Tensor larger = at::empty(sizes, step.options());
    if (stored.defined()) larger.narrow(2, 0, length).copy_(stored.narrow(2, 0, length));
    stored = larger;
  }
  stored.narrow(2, length, 1).copy_(step);
}

}  // namespace

// SelfAttention -------------------------------------------------------------------------------------------------------

SelfAttentionImpl::SelfAttentionImpl(const ModelOptions& options, bool causal, std::string full_name,
                                     const std::shared_ptr<ModelAxis>& axis)
    : full_name_(std::move(full_name)),
      heads_(options.heads, *axis),
      causal_(causal),
      dropout_(options.attention_dropout) {
  qkv_ = register_module("qkv", ColumnLinear(options.hidden, 3 * options.hidden, axis, /*blocks=*/3, kKeys));
  out_ = register_module("out", RowLinear(options.hidden, options.hidden, axis));
}

at::Tensor SelfAttentionImpl::forward(const at::Tensor& x, const Packing& packing, const ForwardContext& context) {
  const at::Tensor projected = qkv_(x);
  const double dropout = context.training ? dropout_ : 0.0;
  if (dropout == 0.0 && can_attend_packed(projected, projected.size(1) / (3 * heads_.count))) {
    return out_(packed_attention(projected, {}, heads_.count, packing, packing, causal_));
  }
  const std::vector<at::Tensor> qkv = split_heads(pad(projected, packing), 3, heads_.count);
  // Padding stands at the end of a row: a causal mask already hides it from every real token.
  const at::Tensor mask = causal_ ? at::Tensor() : packing.mask;
  const at::Tensor y =
      attend(qkv[0], qkv[1], qkv[2], mask, causal_, dropout, context.random_key(full_name_ + ".weights"), heads_);
  return out_(unpad(join_heads(y), packing));
}

at::Tensor SelfAttentionImpl::step(const at::Tensor& x, KeyValueCache& cache) {
  const std::vector<at::Tensor> qkv = split_heads(qkv_(x).unsqueeze(1), 3, heads_.count);
  append(cache.keys, qkv[1], cache.length);
  append(cache.values, qkv[2], cache.length);
  ++cache.length;
  const at::Tensor y = attend(qkv[0], cache.keys.narrow(2, 0, cache.length), cache.values.narrow(2, 0, cache.length),
                              {}, /*causal=*/false, 0.0, {}, heads_);
  return out_(join_heads(y).squeeze(1));
}

// CrossAttention ------------------------------------------------------------------------------------------------------

CrossAttentionImpl::CrossAttentionImpl(const ModelOptions& options, std::string full_name,
                                       const std::shared_ptr<ModelAxis>& axis)
    : full_name_(std::move(full_name)), heads_(options.heads, *axis), dropout_(options.attention_dropout) {
  q_ = register_module("q", ColumnLinear(options.hidden, options.hidden, axis));
  kv_ = register_module("kv", ColumnLinear(options.hidden, 2 * options.hidden, axis, /*blocks=*/2, kKeys - 1));
  out_ = register_module("out", RowLinear(options.hidden, options.hidden, axis));
}

at::Tensor CrossAttentionImpl::forward(const at::Tensor& x, const Packing& target, const at::Tensor& memory,
                                       const Packing& source, const ForwardContext& context) {
  const at::Tensor queries = q_(x), keys_and_values = kv_(memory);
  const double dropout = context.training ? dropout_ : 0.0;
  if (dropout == 0.0 && can_attend_packed(queries, queries.size(1) / heads_.count)) {
    return out_(packed_attention(queries, keys_and_values, heads_.count, target, source, /*causal=*/false));
  }
  const at::Tensor q = split_heads(pad(queries, target), 1, heads_.count)[0];
  const std::vector<at::Tensor> kv = split_heads(pad(keys_and_values, source), 2, heads_.count);
  const at::Tensor y = attend(q, kv[0], kv[1], source.mask, /*causal=*/false, dropout,
                              context.random_key(full_name_ + ".weights"), heads_);
  return out_(unpad(join_heads(y), target));
}

KeyValueCache CrossAttentionImpl::make_cache(const at::Tensor& memory, const Packing& source) {
  const std::vector<at::Tensor> kv = split_heads(pad(kv_(memory), source), 2, heads_.count);
  return {kv[0].contiguous(), kv[1].contiguous(), source.length};
}

at::Tensor CrossAttentionImpl::step(const at::Tensor& x, const KeyValueCache& cache, const at::Tensor& mask) {
  // The beams of a sentence are queries of one row, so its keys are read once for all of them.
  const std::int64_t rows = cache.keys.size(0);
  const at::Tensor q = split_heads(q_(x).view({rows, x.size(0) / rows, -1}), 1, heads_.count)[0];
  const at::Tensor y = attend(q, cache.keys, cache.values, mask, /*causal=*/false, 0.0, {}, heads_);
  return out_(join_heads(y).flatten(0, 1));
}

}  // namespace polymoe
