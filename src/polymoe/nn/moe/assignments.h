#pragma once

#include <cstdint>

#include <ATen/core/Tensor.h>

#include "polymoe/kernels/token_ranges.h"

namespace polymoe {

/// Which tokens of a micro-batch go to which experts: a list ordered by token, as every router yields it. Tensors of
/// one value for each assignment have the shape of `expert_ids`.
struct Assignments {
  std::int64_t experts = 0;  ///< of the layer
  at::Tensor expert_ids;     ///< int64: [tokens, k] where every token goes to k experts, else [assignments]; -1: none
  at::Tensor token_begin;    ///< [tokens + 1] int64, of the second shape: token t has [begin[t], begin[t + 1])

  std::int64_t tokens() const { return token_begin.defined() ? token_begin.size(0) - 1 : expert_ids.size(0); }
  std::int64_t size() const { return expert_ids.numel(); }
  /// Each token's value for its assignments: values [tokens] -> the shape of expert_ids.
  at::Tensor of_tokens(const at::Tensor& values) const;
  Assignments to(const at::Device& device) const;
};

/// The ranges of values `of_assignments`, shaped as Assignments::expert_ids, with its token_begin. They point into
/// `token_begin`, which must be contiguous and outlive them.
kernels::TokenRanges ranges_of(const at::Tensor& of_assignments, const at::Tensor& token_begin);

}  // namespace polymoe
