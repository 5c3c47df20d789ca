#pragma once

#include <vector>

#include "polymoe/comm/communicator.h"
#include "polymoe/tensor/torch_headers.h"

namespace polymoe::testing {

/// What rank `rank` holds: values that differ by rank and place, with rounding errors when they are added.
inline at::Tensor values_of(int rank, std::int64_t elements, c10::ScalarType type = c10::kFloat) {
  const at::Tensor whole = (at::arange(elements, c10::kLong) * 37 + rank * 101).remainder(89) - 44;
  return type == c10::kLong ? whole : whole.to(c10::kDouble).div(7).to(type);
}

/// The sum or maximum over ranks below `n`, one after the other; bfloat16 adds up in float32.
inline at::Tensor reduced(int n, std::int64_t elements, c10::ScalarType type, ReduceOp op = ReduceOp::kSum) {
  const c10::ScalarType sum_type = type == c10::kBFloat16 ? c10::kFloat : type;
  at::Tensor total = values_of(0, elements, type).to(sum_type);
  for (int rank = 1; rank < n; ++rank) {
    const at::Tensor next = values_of(rank, elements, type).to(sum_type);
    total = op == ReduceOp::kSum ? total + next : at::maximum(total, next);
  }
  return total.to(type);
}

}  // namespace polymoe::testing
