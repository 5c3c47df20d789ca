#include "polymoe/model/encoder_decoder.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "polymoe/tensor/torch_headers.h"

#include "polymoe/base/error.h"
#include "polymoe/config/moe_layers.h"
#include "polymoe/nn/dropout.h"
#include "polymoe/nn/positions.h"

namespace polymoe {
namespace {

// The full name of a layer.
std::string layer_name(const char* side, std::size_t layer) { return fmt::format("{}.layers.{}", side, layer); }

void check_length(const Packing& packing, const ModelOptions& options, const char* side) {
  if (packing.length <= options.max_positions) return;
  fail("a {} of {} tokens is longer than model.max-positions = {}", side, packing.length, options.max_positions);
}

// Gives the layers their names "layers.0", "layers.1", ...
class LayerList : public torch::nn::Module {};

}  // namespace

// Encoder and decoder -------------------------------------------------------------------------------------------------

EncoderImpl::EncoderImpl(const ModelOptions& options, const Partition& partition) : runner_(partition.runner) {
  auto layers = register_module("layers", std::make_shared<LayerList>());
  for (std::int64_t i = 0; i < options.encoder_layers; ++i) {
    const ModelOptions own = options_of_layer(options, "encoder", i);
    layers_.emplace_back(own, own.moe.experts > 0, layer_name("encoder", static_cast<std::size_t>(i)), partition);
    layers->register_module(std::to_string(i), layers_.back());
  }
  if (options.norm == NormOrder::kPre) norm_ = register_module("norm", LayerNorm(options.hidden));
}

at::Tensor EncoderImpl::forward(at::Tensor x, const Packing& packing, const ForwardContext& context) {
  for (std::size_t i = 0; i < layers_.size(); ++i) {
    x = runner_->run(
        layer_name("encoder", i), x, {}, context,
        [layer = layers_[i], packing](const at::Tensor& input, const at::Tensor&, const ForwardContext& own) mutable {
          return layer(input, packing, own);
        });
  }
  return norm_ ? norm_(x) : x;
}

DecoderImpl::DecoderImpl(const ModelOptions& options, const Partition& partition) : runner_(partition.runner) {
  auto layers = register_module("layers", std::make_shared<LayerList>());
  for (std::int64_t i = 0; i < options.decoder_layers; ++i) {
    const ModelOptions own = options_of_layer(options, "decoder", i);
    layers_.emplace_back(own, own.moe.experts > 0, layer_name("decoder", static_cast<std::size_t>(i)), partition);
    layers->register_module(std::to_string(i), layers_.back());
  }
  if (options.norm == NormOrder::kPre) norm_ = register_module("norm", LayerNorm(options.hidden));
}

at::Tensor DecoderImpl::forward(at::Tensor x, const Packing& target, const EncodedSource& source,
                                const ForwardContext& context) {
  for (std::size_t i = 0; i < layers_.size(); ++i) {
    x = runner_->run(layer_name("decoder", i), x, source.memory, context,
                     [layer = layers_[i], target, packing = source.packing](
                         const at::Tensor& input, const at::Tensor& memory, const ForwardContext& own) mutable {
                       return layer(input, target, memory, packing, own);
                     });
  }
  return norm_ ? norm_(x) : x;
}

DecoderState DecoderImpl::start(const EncodedSource& source) {
  DecoderState state;
  state.source_mask = source.packing.mask;
  for (std::size_t i = 0; i < layers_.size(); ++i) {
    LayerCache& cache = state.layers.emplace_back();
    runner_->use(layer_name("decoder", i),
                 [&] { cache.cross = layers_[i]->make_cross_cache(source.memory, source.packing); });
  }
  return state;
}

at::Tensor DecoderImpl::step(at::Tensor x, DecoderState& state, const ForwardContext& context) {
  for (std::size_t i = 0; i < layers_.size(); ++i) {
    runner_->use(layer_name("decoder", i),
                 [&] { x = layers_[i]->step(x, state.layers[i], state.source_mask, context); });
  }
  ++state.position;
  return norm_ ? norm_(x) : x;
}

// EncoderDecoder ------------------------------------------------------------------------------------------------------

EncoderDecoderImpl::EncoderDecoderImpl(const ModelOptions& options, const Partition& partition)
    : ModelImpl(options), axis_(partition.model_axis) {
  const ShardSpec shard = shard_spec({options.vocabulary, options.hidden}, 0, 1, axis_->rank(), axis_->size());
  vocabulary_ = shard.ranges[0].at(0);
  embedding_ = register_weight("embedding", Role::kEmbedding, shard);
  if (options.logits_bias) {
    logits_bias_ = register_bias("logits_bias", Role::kEmbedding,
                                 shard_spec({options.vocabulary}, 0, 1, axis_->rank(), axis_->size()));
  }
  positions_ = sinusoidal_positions(options.max_positions + options.position_offset, options.hidden,
                                    options.position_frequencies);
  encoder_ = register_module("encoder", Encoder(options, partition));
  decoder_ = register_module("decoder", Decoder(options, partition));
}

Projection EncoderDecoderImpl::projection() const {
  Projection projection(embedding_, vocabulary_.begin, options().vocabulary, axis_);
  projection.bias = logits_bias_;
  return projection;
}

at::Tensor EncoderDecoderImpl::look_up(const at::Tensor& ids) const {
  if (axis_->size() == 1) return at::embedding(embedding_, ids);
  // Each id is in one slice; the others add zeros.
  const at::Tensor row = ids - vocabulary_.begin;
  const at::Tensor here = at::logical_and(row >= 0, row < vocabulary_.count);
  return axis_->reduce_from_region(at::embedding(embedding_, row.clamp(0, vocabulary_.count - 1)) * here.unsqueeze(1));
}

at::Tensor EncoderDecoderImpl::embed(const at::Tensor& ids, const at::Tensor& positions, const std::string& full_name,
                                     const ForwardContext& context) {
  at::Tensor x = look_up(ids);
  if (options().embedding_scale) x = x * std::sqrt(static_cast<double>(options().hidden));
  if (positions_.device() != x.device()) positions_ = positions_.to(x.device());
  const at::Tensor rows = options().position_offset == 0 ? positions : positions + options().position_offset;
  x = x + positions_.index_select(0, rows).to(x.scalar_type());
  return context.training ? counter_dropout(x, options().dropout, context.random_key(full_name)) : x;
}

EncodedSource EncoderDecoderImpl::encode(const TokenInput& source, const ForwardContext& context) {
  check_length(source.packing, options(), "source");
  const ForwardContext side = context.of_side(source.packing.tokens, context.bounds.source_tokens, source.languages);
  const at::Tensor x = embed(source.ids, source.packing.positions, "encoder.embedding", side);
  return {encoder_(x, source.packing, side), source.packing};
}

at::Tensor EncoderDecoderImpl::decode(const TokenInput& target, const EncodedSource& source,
                                      const ForwardContext& context) {
  check_length(target.packing, options(), "target");
  const ForwardContext side = context.of_side(target.packing.tokens, context.bounds.target_tokens, target.languages);
  const at::Tensor x = embed(target.ids, target.packing.positions, "decoder.embedding", side);
  return decoder_(x, target.packing, source, side);
}

DecoderState EncoderDecoderImpl::start(const EncodedSource& source) { return decoder_->start(source); }

at::Tensor EncoderDecoderImpl::step(const at::Tensor& ids, DecoderState& state, const ForwardContext& context) {
  const at::Tensor position = at::full({1}, state.position, ids.options());
  return decoder_->step(embed(ids, position, "decoder.embedding", context), state, context);
}

}  // namespace polymoe
