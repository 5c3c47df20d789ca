#include "polymoe/nn/cpu_attention.h"

#include <algorithm>
#include <optional>

#include "polymoe/tensor/torch_headers.h"

#include "polymoe/kernels/cpu/attention.h"
#include "polymoe/tensor/elements.h"

namespace polymoe {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// Where queries, keys and values stand in the projections.
struct Places {
  std::int64_t heads, width;  // of a head
  std::int64_t query_row, key_row;
  std::int64_t first_key;  // in a token of `keys`

  Places(const at::Tensor& queries, const at::Tensor& keys, bool own_keys, std::int64_t heads)
      : heads(heads),
        width(queries.size(1) / (heads * (own_keys ? 3 : 1))),
        query_row(queries.size(1)),
        key_row(keys.size(1)),
        first_key(own_keys ? heads * width : 0) {}
  std::int64_t query(std::int64_t token, std::int64_t head) const { return token * query_row + head * width; }
  std::int64_t key(std::int64_t token, std::int64_t head) const { return token * key_row + first_key + head * width; }
  std::int64_t value(std::int64_t token, std::int64_t head) const { return key(token, head) + heads * width; }
  std::int64_t result(std::int64_t token, std::int64_t head) const { return token * heads * width + head * width; }
};

// Calls f(row, head, scratch) for all rows and heads, shared among threads.
template <typename Function>
void for_each_head(const at::Tensor& query_begins, const at::Tensor& key_begins, const Places& places,
                   const Function& f) {
  const auto *queries = query_begins.const_data_ptr<std::int32_t>(), *keys = key_begins.const_data_ptr<std::int32_t>();
  const std::int64_t rows = query_begins.size(0) - 1;
  std::int64_t most_queries = 0, most_keys = 0;
  for (std::int64_t r = 0; r < rows; ++r) {
    most_queries = std::max<std::int64_t>(most_queries, queries[r + 1] - queries[r]);
    most_keys = std::max<std::int64_t>(most_keys, keys[r + 1] - keys[r]);
  }
  constexpr std::int64_t kGrain = 16;
  at::parallel_for(0, rows * places.heads, kGrain, [&](std::int64_t begin, std::int64_t end) {
    at::Tensor scratch = at::empty({kernels::attention_scratch(most_queries, most_keys, places.width)}, at::kFloat);
    for (std::int64_t i = begin; i < end; ++i) f(i / places.heads, i % places.heads, scratch.mutable_data_ptr<float>());
  });
}

template <typename Element>
kernels::AttentionRow<Element> attention_row(const at::Tensor& queries, const at::Tensor& keys, const Places& places,
                                             const std::int32_t* query_begins, const std::int32_t* key_begins,
                                             std::int64_t row, std::int64_t head, bool causal) {
  const auto *q = elements<Element>(queries), *k = elements<Element>(keys);
  const std::int64_t query = query_begins[row], key = key_begins[row];
  return {{q + places.query(query, head), places.query_row},
          {k + places.key(key, head), places.key_row},
          {k + places.value(key, head), places.key_row},
          query_begins[row + 1] - query,
          key_begins[row + 1] - key,
          places.width,
          causal};
}

class CpuAttention : public torch::autograd::Function<CpuAttention> {
 public:
  static at::Tensor forward(AutogradContext* ctx, const at::Tensor& queries,
                            const std::optional<at::Tensor>& keys_and_values, const at::Tensor& query_begins,
                            const at::Tensor& key_begins, std::int64_t heads, bool causal) {
    const bool own_keys = !keys_and_values.has_value();
    const at::Tensor& keys = own_keys ? queries : *keys_and_values;
    const Places places(queries, keys, own_keys, heads);
    at::Tensor y = at::empty({queries.size(0), heads * places.width}, queries.options());
    const auto *of_query = query_begins.const_data_ptr<std::int32_t>(),
               *of_key = key_begins.const_data_ptr<std::int32_t>();
    with_elements(queries, [&](auto element) {
      using Element = decltype(element);
      auto* out = mutable_elements<Element>(y);
      for_each_head(query_begins, key_begins, places, [&](std::int64_t row, std::int64_t head, float* scratch) {
        kernels::attend<Element>(attention_row<Element>(queries, keys, places, of_query, of_key, row, head, causal),
                                 {out + places.result(of_query[row], head), y.size(1)}, scratch);
      });
    });
    ctx->save_for_backward({queries, keys, query_begins, key_begins});
    ctx->saved_data["heads"] = heads;
    ctx->saved_data["causal"] = causal;
    ctx->saved_data["own_keys"] = own_keys;
    return y;
  }

  static variable_list backward(AutogradContext* ctx, const variable_list& grads) {
    const variable_list saved = ctx->get_saved_variables();
    const at::Tensor &queries = saved[0], &keys = saved[1], dy = grads[0].contiguous();
    const bool own_keys = ctx->saved_data["own_keys"].toBool(), causal = ctx->saved_data["causal"].toBool();
    const Places places(queries, keys, own_keys, ctx->saved_data["heads"].toInt());
    at::Tensor grad_queries = at::empty_like(queries), grad_keys = own_keys ? grad_queries : at::empty_like(keys);
    const auto *of_query = saved[2].const_data_ptr<std::int32_t>(), *of_key = saved[3].const_data_ptr<std::int32_t>();
    with_elements(queries, [&](auto element) {
      using Element = decltype(element);
      auto *dq = mutable_elements<Element>(grad_queries), *dk = mutable_elements<Element>(grad_keys);
      const auto* from = elements<Element>(dy);
      for_each_head(saved[2], saved[3], places, [&](std::int64_t row, std::int64_t head, float* scratch) {
        const std::int64_t query = of_query[row], key = of_key[row];
        kernels::attend_backward<Element>(
            attention_row<Element>(queries, keys, places, of_query, of_key, row, head, causal),
            {from + places.result(query, head), dy.size(1)}, {dq + places.query(query, head), places.query_row},
            {dk + places.key(key, head), places.key_row}, {dk + places.value(key, head), places.key_row}, scratch);
      });
    });
    variable_list gradients(6);
    gradients[0] = grad_queries;
    if (!own_keys) gradients[1] = grad_keys;
    return gradients;
  }
};

}  // namespace

at::Tensor cpu_attention(const at::Tensor& queries, const at::Tensor& keys_and_values, std::int64_t heads,
                         const Packing& query_rows, const Packing& key_rows, bool causal) {
  // Autograd takes no undefined tensor, but an absent one.
  std::optional<at::Tensor> others;
  if (keys_and_values.defined()) others = keys_and_values.contiguous();
  return CpuAttention::apply(queries.contiguous(), others, query_rows.row_begins, key_rows.row_begins, heads, causal);
}

}  // namespace polymoe
