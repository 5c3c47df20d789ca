#include "polymoe/nn/moe/assignments.h"

#include "polymoe/tensor/torch_headers.h"

namespace polymoe {

at::Tensor Assignments::of_tokens(const at::Tensor& values) const {
  if (!token_begin.defined()) return values.unsqueeze(1).expand_as(expert_ids);
  const at::Tensor counts = token_begin.slice(0, 1) - token_begin.slice(0, 0, -1);
  return values.repeat_interleave(counts, 0, size());
}

Assignments Assignments::to(const at::Device& device) const {
  return {experts, expert_ids.to(device).contiguous(),
          token_begin.defined() ? token_begin.to(device).contiguous() : at::Tensor()};
}

kernels::TokenRanges ranges_of(const at::Tensor& of_assignments, const at::Tensor& token_begin) {
  if (!token_begin.defined()) return kernels::TokenRanges::equal(of_assignments.size(0), of_assignments.size(1));
  return {token_begin.size(0) - 1, of_assignments.numel(), 0, token_begin.const_data_ptr<std::int64_t>()};
}

}  // namespace polymoe
