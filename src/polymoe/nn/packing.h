#pragma once

#include <cstdint>
#include <vector>

#include <ATen/core/Tensor.h>

namespace polymoe {

/// How the tokens of a micro-batch lie: all layers but attention see packed tokens [tokens, hidden], without padding,
/// row after row; attention sees them padded [rows, length, hidden]. So padding is never computed on, nor routed.
struct Packing {
  std::int64_t rows = 0;
  std::int64_t length = 0;  ///< of the padded form
  std::int64_t tokens = 0;
  at::Tensor positions;   ///< [tokens] int64, place of each token in its row
  at::Tensor padded;      ///< [tokens] int64, row * length + position
  at::Tensor row_begins;  ///< [rows + 1] int32, where each row's tokens begin, and their number
  at::Tensor mask;  ///< [rows, 1, 1, length] float32, 0 for tokens and -inf for padding; undefined without padding

  bool has_padding() const { return tokens != rows * length; }
};

/// Builds the packing of rows of these lengths (each >= 1), padded to `length`.
Packing make_packing(const std::vector<std::int32_t>& lengths, std::int64_t length, const at::Device& device);

/// The ids that are not padding: [rows, length] -> [tokens] int64 on the packing's device.
at::Tensor pack_ids(const std::vector<std::int32_t>& padded_ids, const Packing& packing);

/// [tokens, width] -> [rows, length, width]; padding is zero.
at::Tensor pad(const at::Tensor& packed, const Packing& packing);

/// [rows, length, width] -> [tokens, width].
at::Tensor unpad(const at::Tensor& padded, const Packing& packing);

}  // namespace polymoe
