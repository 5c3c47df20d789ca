#include "polymoe/nn/packed_attention.h"

#include "polymoe/tensor/torch_headers.h"

#include "polymoe/kernels/cpu/attention.h"
#include "polymoe/kernels/cuda/short_attention.h"
#include "polymoe/nn/cpu_attention.h"
#include "polymoe/tensor/gpu.h"

namespace polymoe {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// [tokens, parts * heads * head width] -> [tokens, parts, heads, head width], a view.
at::Tensor apart(const at::Tensor& x, std::int64_t parts, std::int64_t heads) {
  return x.view({x.size(0), parts, heads, x.size(1) / (parts * heads)});
}

// The heads of part `part` of [tokens, parts * width].
template <typename Element>
kernels::cuda::TokenHeads<const Element> heads_of(const at::Tensor& x, std::int64_t width, std::int64_t part) {
  return {elements<Element>(x) + part * width, x.size(1)};
}
template <typename Element>
kernels::cuda::TokenHeads<Element> mutable_heads_of(const at::Tensor& x, std::int64_t width, std::int64_t part) {
  return {mutable_elements<Element>(x) + part * width, x.size(1)};
}

bool are_short(const at::Tensor& queries, std::int64_t width, const Packing& query_rows, const Packing& key_rows,
               std::int64_t heads) {
  using kernels::cuda::kShortHeadWidth, kernels::cuda::kShortRow;
  return has_gpu_kernel(queries) && queries.scalar_type() == at::kBFloat16 && width == heads * kShortHeadWidth &&
         query_rows.length <= kShortRow && key_rows.length <= kShortRow;
}

// By kernels/cuda/short_attention.h: the same bits in every run.
class ShortAttention : public torch::autograd::Function<ShortAttention> {
 public:
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& queries,
                            const std::optional<at::Tensor>& keys_and_values, const at::Tensor& query_begins,
                            const at::Tensor& key_begins, std::int64_t heads, bool causal) {
    const at::Tensor others = keys_and_values.value_or(at::Tensor());
    const std::int64_t width = heads * kernels::cuda::kShortHeadWidth;
    at::Tensor y = at::empty({queries.size(0), width}, queries.options());
    if constexpr (kernels::cuda::kBuilt) {
      using Element = kernels::BFloat16;
      const at::Tensor& second = others.defined() ? others : queries;
      const std::int64_t keys = others.defined() ? 0 : 1;
      kernels::cuda::short_attention(rows_of(query_begins, key_begins, heads, causal),
                                     heads_of<Element>(queries, width, 0), heads_of<Element>(second, width, keys),
                                     heads_of<Element>(second, width, keys + 1), mutable_heads_of<Element>(y, width, 0),
                                     gpu_stream(queries));
    }
    ctx->save_for_backward({queries, others, query_begins, key_begins});
    ctx->saved_data["heads"] = heads;
    ctx->saved_data["causal"] = causal;
    return y;
  }

  static variable_list backward(AutogradContext* ctx, const variable_list& grads) {
    const variable_list saved = ctx->get_saved_variables();
    const at::Tensor &queries = saved[0], &others = saved[1], grad = grads[0].contiguous();
    const std::int64_t heads = ctx->saved_data["heads"].toInt(), width = heads * kernels::cuda::kShortHeadWidth;
    const at::Tensor grad_queries = at::empty_like(queries);
    const at::Tensor grad_others = others.defined() ? at::empty_like(others) : at::Tensor();
    if constexpr (kernels::cuda::kBuilt) {
      using Element = kernels::BFloat16;
      const at::Tensor& second = others.defined() ? others : queries;
      const at::Tensor& grad_second = others.defined() ? grad_others : grad_queries;
      const std::int64_t keys = others.defined() ? 0 : 1;
      kernels::cuda::short_attention_backward(
          rows_of(saved[2], saved[3], heads, ctx->saved_data["causal"].toBool()), heads_of<Element>(queries, width, 0),
          heads_of<Element>(second, width, keys), heads_of<Element>(second, width, keys + 1),
          heads_of<Element>(grad, width, 0), mutable_heads_of<Element>(grad_queries, width, 0),
          mutable_heads_of<Element>(grad_second, width, keys), mutable_heads_of<Element>(grad_second, width, keys + 1),
          gpu_stream(queries));
    }
    return {grad_queries, grad_others, {}, {}, {}, {}};
  }

 private:
  static kernels::cuda::ShortRows rows_of(const at::Tensor& query_begins, const at::Tensor& key_begins,
                                          std::int64_t heads, bool causal) {
    return {query_begins.const_data_ptr<std::int32_t>(), key_begins.const_data_ptr<std::int32_t>(),
            query_begins.size(0) - 1, heads, causal};
  }
};

class PackedAttention : public torch::autograd::Function<PackedAttention> {
 public:
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& queries,
                            const std::optional<at::Tensor>& keys_and_values, const at::Tensor& query_begins,
                            const at::Tensor& key_begins, std::int64_t heads, std::int64_t query_length,
                            std::int64_t key_length, bool causal) {
    const bool own_keys = !keys_and_values.has_value();
    const at::Tensor first = apart(queries, own_keys ? 3 : 1, heads);
    const at::Tensor second = own_keys ? first.narrow(1, 1, 2) : apart(*keys_and_values, 2, heads);
    const at::Tensor q = first.select(1, 0), k = second.select(1, 0), v = second.select(1, 1);
    const auto [y, logsumexp, rng_state, unused, mask] = at::_flash_attention_forward(
        q, k, v, query_begins, key_begins, query_length, key_length, /*dropout_p=*/0.0, causal,
        /*return_debug_mask=*/false);
    ctx->save_for_backward({q, k, v, y, logsumexp, query_begins, key_begins, rng_state, unused});
    ctx->saved_data["query_length"] = query_length;
    ctx->saved_data["key_length"] = key_length;
    ctx->saved_data["causal"] = causal;
    ctx->saved_data["own_keys"] = own_keys;
    return y.flatten(1);
  }

  static variable_list backward(AutogradContext* ctx, const variable_list& grads) {
    const variable_list saved = ctx->get_saved_variables();
    const at::Tensor &q = saved[0], &k = saved[1], &v = saved[2], &y = saved[3];
    const bool own_keys = ctx->saved_data["own_keys"].toBool();
    const auto [grad_q, grad_k, grad_v] =
        at::_flash_attention_backward(grads[0].contiguous().view(y.sizes()), q, k, v, y, saved[4], saved[5], saved[6],
                                      ctx->saved_data["query_length"].toInt(), ctx->saved_data["key_length"].toInt(),
                                      /*dropout_p=*/0.0, ctx->saved_data["causal"].toBool(), saved[7], saved[8]);
    if (own_keys) return {side_by_side({grad_q, grad_k, grad_v}), {}, {}, {}, {}, {}, {}, {}};
    return {grad_q.flatten(1), side_by_side({grad_k, grad_v}), {}, {}, {}, {}, {}, {}};
  }

 private:
  // [tokens, heads, head width] each -> [tokens, parts * heads * head width]
  static at::Tensor side_by_side(const std::vector<at::Tensor>& parts) { return at::stack(parts, 1).flatten(1); }
};

}  // namespace

bool can_attend_packed(const at::Tensor& projected, std::int64_t head_width) {
  if (projected.is_cpu()) return has_cpu_kernel(projected) && head_width % kernels::kHeadWidths == 0;
  // Heads of multiples of 8, or LibTorch would pad them.
  if (!projected.is_cuda() || projected.scalar_type() != at::kBFloat16 || head_width % 8 != 0) return false;
  // Its own choice for some rows of this kind knows the GPU's generation and what the user allows.
  constexpr std::int64_t kFlash = 1;
  const at::Tensor sample = projected.narrow(1, 0, head_width).view({1, 1, -1, head_width});
  return at::_fused_sdp_choice(sample, sample, sample) == kFlash;
}

at::Tensor packed_attention(const at::Tensor& queries, const at::Tensor& keys_and_values, std::int64_t heads,
                            const Packing& query_rows, const Packing& key_rows, bool causal) {
  if (queries.is_cpu()) return cpu_attention(queries, keys_and_values, heads, query_rows, key_rows, causal);
  // Autograd takes no undefined tensor, but an absent one.
  std::optional<at::Tensor> others;
  if (keys_and_values.defined()) others = keys_and_values.contiguous();
  const std::int64_t width = queries.size(1) / (keys_and_values.defined() ? 1 : 3);
  if (are_short(queries, width, query_rows, key_rows, heads)) {
    return ShortAttention::apply(queries.contiguous(), others, query_rows.row_begins, key_rows.row_begins, heads,
                                 causal);
  }
  return PackedAttention::apply(queries.contiguous(), others, query_rows.row_begins, key_rows.row_begins, heads,
                                query_rows.length, key_rows.length, causal);
}

}  // namespace polymoe
