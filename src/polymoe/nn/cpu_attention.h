#pragma once

#include <ATen/core/Tensor.h>

#include "polymoe/nn/packing.h"

namespace polymoe {

/// packed_attention() of float32 or bfloat16 on a CPU, by kernels/cpu/attention.h, row by row and head by head.
at::Tensor cpu_attention(const at::Tensor& queries, const at::Tensor& keys_and_values, std::int64_t heads,
                         const Packing& query_rows, const Packing& key_rows, bool causal);

}  // namespace polymoe
