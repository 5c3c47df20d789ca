#pragma once

#include <cstdint>

#include "polymoe/kernels/bfloat16.h"
#include "polymoe/kernels/cuda/stream.h"

/// Attention of rows of at most kShortRow tokens on the GPU, which are most sentences: a block has all of a row's
/// queries and keys of a head, so that nothing is kept between forward and backward but what came in, and no sum
/// depends on the order in which blocks run. Products in bfloat16, sums and softmax in float32.
namespace polymoe::kernels::cuda {

constexpr std::int64_t kShortRow = 64;
constexpr std::int64_t kShortHeadWidth = 64;

/// Heads of kShortHeadWidth elements, side by side within a token; tokens are `stride` elements apart, a multiple of 8,
/// and begin at multiples of 16 bytes.
template <typename T>
struct TokenHeads {
  T* first;
  std::int64_t stride;
};

struct ShortRows {
  const std::int32_t* query_begins;  ///< [rows + 1] tokens, on the GPU
  const std::int32_t* key_begins;    ///< the same of keys and values
  std::int64_t rows, heads;
  bool causal;  ///< a query takes no later key of its row
};

/// outputs = softmax(queries keys^T / sqrt(head width)) values
void short_attention(const ShortRows& rows, TokenHeads<const BFloat16> queries, TokenHeads<const BFloat16> keys,
                     TokenHeads<const BFloat16> values, TokenHeads<BFloat16> outputs, Stream stream);

/// Its gradients, given `grads`, those of the outputs.
void short_attention_backward(const ShortRows& rows, TokenHeads<const BFloat16> queries,
                              TokenHeads<const BFloat16> keys, TokenHeads<const BFloat16> values,
                              TokenHeads<const BFloat16> grads, TokenHeads<BFloat16> grad_queries,
                              TokenHeads<BFloat16> grad_keys, TokenHeads<BFloat16> grad_values, Stream stream);

}  // namespace polymoe::kernels::cuda
