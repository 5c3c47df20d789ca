#pragma once

#include <string>

#include "polymoe/nn/attention.h"
#include "polymoe/nn/feed_forward.h"
#include "polymoe/nn/moe/layer.h"

namespace polymoe {

struct LayerCache;
struct ModelOptions;
struct Partition;

/// The second half of every layer: a dense feed-forward block or a MoE layer, with norm, dropout and residual.
class FeedForwardBlockImpl : public torch::nn::Module {
 public:
  FeedForwardBlockImpl(const ModelOptions& options, bool moe, const std::string& full_name, const Partition& partition);
  at::Tensor forward(const at::Tensor& x, const ForwardContext& context);

 private:
  at::Tensor transform(const at::Tensor& x, const ForwardContext& context);

  std::string full_name_;
  bool pre_norm_;
  double dropout_;
  LayerNorm norm_{nullptr};
  FeedForward ffn_{nullptr};  // one of these two
  MoeLayer moe_{nullptr};
};
TORCH_MODULE(FeedForwardBlock);

/// One layer of the encoder. x [tokens, hidden] packed -> the same.
class EncoderLayerImpl : public torch::nn::Module, public BlockModule {
 public:
  EncoderLayerImpl(const ModelOptions& options, bool moe, const std::string& full_name, const Partition& partition);
  at::Tensor forward(const at::Tensor& x, const Packing& packing, const ForwardContext& context);

 private:
  std::string full_name_;
  bool pre_norm_;
  double dropout_;
  SelfAttention self_attention_{nullptr};
  LayerNorm self_attention_norm_{nullptr};
  FeedForwardBlock feed_forward_{nullptr};
};
TORCH_MODULE(EncoderLayer);

/// One layer of the decoder. x [tokens, hidden] packed -> the same.
class DecoderLayerImpl : public torch::nn::Module, public BlockModule {
 public:
  DecoderLayerImpl(const ModelOptions& options, bool moe, const std::string& full_name, const Partition& partition);
  at::Tensor forward(const at::Tensor& x, const Packing& target, const at::Tensor& memory, const Packing& source,
                     const ForwardContext& context);

  KeyValueCache make_cross_cache(const at::Tensor& memory, const Packing& source);
  /// One decoding step: x [hypotheses, hidden] -> the same.
  at::Tensor step(const at::Tensor& x, LayerCache& cache, const at::Tensor& source_mask, const ForwardContext& context);

 private:
  std::string full_name_;
  bool pre_norm_;
  double dropout_;
  SelfAttention self_attention_{nullptr};
  LayerNorm self_attention_norm_{nullptr};
  CrossAttention cross_attention_{nullptr};
  LayerNorm cross_attention_norm_{nullptr};
  FeedForwardBlock feed_forward_{nullptr};
};
TORCH_MODULE(DecoderLayer);

}  // namespace polymoe
