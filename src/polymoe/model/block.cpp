#include "polymoe/model/block.h"

#include "polymoe/config/model_options.h"
#include "polymoe/model/model.h"
#include "polymoe/nn/partition.h"
#include "polymoe/tensor/torch_headers.h"

#include "polymoe/nn/dropout.h"

namespace polymoe {
namespace {

// norm before: x + dropout(f(norm(x))); norm after: norm(x + dropout(f(x))).
template <typename Function>
at::Tensor residual(const at::Tensor& x, LayerNorm& norm, bool pre_norm, double dropout, const std::string& full_name,
                    const ForwardContext& context, const Function& f) {
  const double used = context.training ? dropout : 0.0;
  const PhiloxKey key = context.random_key(full_name);
  if (!pre_norm) return norm(add_dropout(x, f(x), used, key));
  const auto [normed, kept] = norm->beside_residual(x);
  return add_dropout(kept, f(normed), used, key);
}

}  // namespace

// FeedForwardBlock ----------------------------------------------------------------------------------------------------

FeedForwardBlockImpl::FeedForwardBlockImpl(const ModelOptions& options, bool moe, const std::string& full_name,
                                           const Partition& partition)
    : full_name_(full_name + ".dropout"), pre_norm_(options.norm == NormOrder::kPre), dropout_(options.dropout) {
  norm_ = register_module("norm", LayerNorm(options.hidden));
  if (moe) {
    moe_ = register_module("moe", MoeLayer(options, full_name + ".moe", partition));
  } else {
    ffn_ = register_module("ffn", FeedForward(options, full_name + ".ffn", partition.model_axis));
  }
}

at::Tensor FeedForwardBlockImpl::forward(const at::Tensor& x, const ForwardContext& context) {
  return residual(x, norm_, pre_norm_, dropout_, full_name_, context,
                  [&](const at::Tensor& normed) { return transform(normed, context); });
}

at::Tensor FeedForwardBlockImpl::transform(const at::Tensor& x, const ForwardContext& context) {
  return moe_ ? moe_(x, context) : ffn_(x, context);
}

// EncoderLayer --------------------------------------------------------------------------------------------------------

EncoderLayerImpl::EncoderLayerImpl(const ModelOptions& options, bool moe, const std::string& full_name,
                                   const Partition& partition)
    : full_name_(full_name + ".self_attention.dropout"),
      pre_norm_(options.norm == NormOrder::kPre),
      dropout_(options.dropout) {
  self_attention_ = register_module("self_attention",
                                    SelfAttention(options, false, full_name + ".self_attention", partition.model_axis));
  self_attention_norm_ = register_module("self_attention_norm", LayerNorm(options.hidden));
  feed_forward_ =
      register_module("feed_forward", FeedForwardBlock(options, moe, full_name + ".feed_forward", partition));
}

at::Tensor EncoderLayerImpl::forward(const at::Tensor& x, const Packing& packing, const ForwardContext& context) {
  const at::Tensor y = residual(x, self_attention_norm_, pre_norm_, dropout_, full_name_, context,
                                [&](const at::Tensor& normed) { return self_attention_(normed, packing, context); });
  return feed_forward_(y, context);
}

// DecoderLayer --------------------------------------------------------------------------------------------------------

DecoderLayerImpl::DecoderLayerImpl(const ModelOptions& options, bool moe, const std::string& full_name,
                                   const Partition& partition)
    : full_name_(full_name), pre_norm_(options.norm == NormOrder::kPre), dropout_(options.dropout) {
  self_attention_ = register_module("self_attention",
                                    SelfAttention(options, true, full_name + ".self_attention", partition.model_axis));
  self_attention_norm_ = register_module("self_attention_norm", LayerNorm(options.hidden));
  cross_attention_ =
      register_module("cross_attention", CrossAttention(options, full_name + ".cross_attention", partition.model_axis));
  cross_attention_norm_ = register_module("cross_attention_norm", LayerNorm(options.hidden));
  feed_forward_ =
      register_module("feed_forward", FeedForwardBlock(options, moe, full_name + ".feed_forward", partition));
}

at::Tensor DecoderLayerImpl::forward(const at::Tensor& x, const Packing& target, const at::Tensor& memory,
                                     const Packing& source, const ForwardContext& context) {
  at::Tensor y = residual(x, self_attention_norm_, pre_norm_, dropout_, full_name_ + ".self_attention.dropout", context,
                          [&](const at::Tensor& normed) { return self_attention_(normed, target, context); });
  y = residual(y, cross_attention_norm_, pre_norm_, dropout_, full_name_ + ".cross_attention.dropout", context,
               [&](const at::Tensor& normed) { return cross_attention_(normed, target, memory, source, context); });
  return feed_forward_(y, context);
}

KeyValueCache DecoderLayerImpl::make_cross_cache(const at::Tensor& memory, const Packing& source) {
  return cross_attention_->make_cache(memory, source);
}

at::Tensor DecoderLayerImpl::step(const at::Tensor& x, LayerCache& cache, const at::Tensor& source_mask,
                                  const ForwardContext& context) {
  at::Tensor y = residual(x, self_attention_norm_, pre_norm_, 0.0, full_name_, context,
                          [&](const at::Tensor& normed) { return self_attention_->step(normed, cache.self); });
  y = residual(y, cross_attention_norm_, pre_norm_, 0.0, full_name_, context,
               [&](const at::Tensor& normed) { return cross_attention_->step(normed, cache.cross, source_mask); });
  return feed_forward_(y, context);
}

}  // namespace polymoe
