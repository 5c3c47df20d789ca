#pragma once

#include <cstdint>

#include <ATen/core/Tensor.h>

#include "polymoe/nn/packing.h"

namespace polymoe {

/// Whether packed_attention() can compute on `projected` [tokens, width], in heads of `head_width`: a CPU's float32 and
/// bfloat16 by our own kernel; a GPU's bfloat16, where LibTorch's fused attention may be used (it may not where every
/// run must give the same bits).
bool can_attend_packed(const at::Tensor& projected, std::int64_t head_width);

/// Softmax attention of packed rows, each over the keys of its own row, without padding anything: queries, keys and
/// values stand beside each other in `queries` [query tokens, width * 1] and `keys_and_values` [key tokens, width * 2];
/// or, with `keys_and_values` undefined, in `queries` [tokens, width * 3] alone. -> [query tokens, width].
/// `causal`: a query sees the keys up to its own place.
at::Tensor packed_attention(const at::Tensor& queries, const at::Tensor& keys_and_values, std::int64_t heads,
                            const Packing& query_rows, const Packing& key_rows, bool causal);

}  // namespace polymoe
