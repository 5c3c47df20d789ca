#include "nn/linear.h"

#include "nn/torch_headers.h"

namespace polymoe {

ColumnLinearImpl::ColumnLinearImpl(std::int64_t in, std::int64_t out, const Partition& partition, std::int64_t blocks,
                                   std::int64_t fixed)
    : blocks_(blocks), fixed_(fixed), axis_(partition.model_axis) {
  const std::int64_t rank = axis_->rank(), size = axis_->size();
  weight = register_placed("weight", sliced_placement({out, in}, 0, blocks, rank, size));
  bias = register_placed("bias", sliced_placement({out}, 0, blocks, rank, size));
}

at::Tensor ColumnLinearImpl::used_bias() const {
  if (fixed_ < 0 || !at::GradMode::is_enabled()) return bias;
  std::vector<at::Tensor> parts = bias.chunk(blocks_);
  at::Tensor& part = parts[static_cast<std::size_t>(fixed_)];
  part = part.detach();
  return at::cat(parts);
}

at::Tensor ColumnLinearImpl::forward(const at::Tensor& x) const {
  return at::linear(axis_->enter(x), weight, used_bias());
}

RowLinearImpl::RowLinearImpl(std::int64_t in, std::int64_t out, const Partition& partition)
    : axis_(partition.model_axis) {
  weight = register_placed("weight", sliced_placement({out, in}, 1, 1, axis_->rank(), axis_->size()));
  bias = register_placed("bias", whole_placement({out}));
}

at::Tensor RowLinearImpl::forward(const at::Tensor& x) const {
  // A product that adds the bias itself saves a pass over the result.
  if (axis_->size() == 1) return at::linear(x, weight, bias);
  return axis_->leave(at::linear(x, weight)) + bias;
}

LayerNormImpl::LayerNormImpl(std::int64_t width) {
  weight = register_placed("weight", whole_placement({width}));
  bias = register_placed("bias", whole_placement({width}));
}

at::Tensor LayerNormImpl::forward(const at::Tensor& x) const {
  // The CPU's kernel takes float32 parameters beside bfloat16 values; other devices want one type.
  const bool mixed_kernel = x.is_cpu() || x.scalar_type() == weight.scalar_type();
  const at::Tensor w = mixed_kernel ? weight : weight.to(x.scalar_type());
  const at::Tensor b = mixed_kernel ? bias : bias.to(x.scalar_type());
  return at::layer_norm(x, {x.size(-1)}, w, b, 1e-5);
}

}  // namespace polymoe
