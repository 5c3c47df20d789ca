#pragma once

#include <string>

#include "polymoe/nn/context.h"
#include "polymoe/nn/key_value_cache.h"
#include "polymoe/nn/linear.h"
#include "polymoe/nn/packing.h"

namespace polymoe {

struct ModelOptions;

/// The heads of an attention block that this process computes: equal runs of all heads, one for each slice.
struct HeadSlice {
  HeadSlice(std::int64_t heads, const ModelAxis& axis)
      : all(heads), count(heads / axis.size()), first(axis.rank() * count) {}

  std::int64_t all;
  std::int64_t count;
  std::int64_t first;
};

/// Multi-head self-attention; queries, keys and values come from one product. Heads are divided over the slices.
class SelfAttentionImpl : public torch::nn::Module {
 public:
  SelfAttentionImpl(const ModelOptions& options, bool causal, std::string full_name,
                    const std::shared_ptr<ModelAxis>& axis);

  /// x [tokens, hidden] packed -> the same.
  at::Tensor forward(const at::Tensor& x, const Packing& packing, const ForwardContext& context);

  /// One decoding step: x [rows, hidden], the next position of each row -> the same. Appends to `cache`.
  at::Tensor step(const at::Tensor& x, KeyValueCache& cache);

 private:
  std::string full_name_;
  HeadSlice heads_;
  bool causal_;
  double dropout_;
  ColumnLinear qkv_{nullptr};
  RowLinear out_{nullptr};
};
TORCH_MODULE(SelfAttention);

/// Multi-head attention from the decoder to the encoder's output. Heads are divided over the slices.
class CrossAttentionImpl : public torch::nn::Module {
 public:
  CrossAttentionImpl(const ModelOptions& options, std::string full_name, const std::shared_ptr<ModelAxis>& axis);

  /// x [target tokens, hidden], memory [source tokens, hidden], both packed -> [target tokens, hidden].
  at::Tensor forward(const at::Tensor& x, const Packing& target, const at::Tensor& memory, const Packing& source,
                     const ForwardContext& context);

  /// The keys and values of `memory`, computed once for a whole decoding.
  KeyValueCache make_cache(const at::Tensor& memory, const Packing& source);
  /// One decoding step: x [rows * beams, hidden]; the beams of a row lie together and share its keys and values.
  /// `mask` [rows, 1, 1, source length] as in Packing, or undefined.
  at::Tensor step(const at::Tensor& x, const KeyValueCache& cache, const at::Tensor& mask);

 private:
  std::string full_name_;
  HeadSlice heads_;
  double dropout_;
  ColumnLinear q_{nullptr};
  ColumnLinear kv_{nullptr};
  RowLinear out_{nullptr};
};
TORCH_MODULE(CrossAttention);

}  // namespace polymoe
