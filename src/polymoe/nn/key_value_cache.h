#pragma once

#include <cstdint>

#include <ATen/core/Tensor.h>

namespace polymoe {

/// Keys and values of one attention block during decoding, [rows, heads here, capacity, head width]; the first
/// `length` positions are filled.
struct KeyValueCache {
  at::Tensor keys;
  at::Tensor values;
  std::int64_t length = 0;

  /// Keeps the rows that `rows` [count] int64 names, in that order.
  void select_rows(const at::Tensor& rows);
};

}  // namespace polymoe
