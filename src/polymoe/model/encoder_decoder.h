#pragma once

#include <memory>
#include <string>
#include <vector>

#include "polymoe/model/block.h"
#include "polymoe/model/input.h"
#include "polymoe/nn/projection.h"

namespace polymoe {

/// The encoder's output for a micro-batch.
struct EncodedSource {
  at::Tensor memory;  ///< [source tokens, hidden] packed
  Packing packing;
};

/// What decoding keeps between steps.
struct DecoderState {
  std::vector<LayerCache> layers;
  at::Tensor source_mask;     ///< [sentences, 1, 1, source length] or undefined
  std::int64_t position = 0;  ///< of the token that comes next

  /// Keeps these hypotheses [count] int64, in this order; they stay with their sentences.
  void select_hypotheses(const at::Tensor& hypotheses);
  /// Keeps these sentences [count] int64. The self-attention caches are select_hypotheses()' affair.
  void select_sentences(const at::Tensor& sentences);
};

/// The layers of the encoder, with a norm at the end where norms come before blocks.
class EncoderImpl : public torch::nn::Module {
 public:
  EncoderImpl(const ModelOptions& options, const Partition& partition);
  at::Tensor forward(at::Tensor x, const Packing& packing, const ForwardContext& context);

 private:
  std::shared_ptr<BlockRunner> runner_;
  std::vector<EncoderLayer> layers_;
  LayerNorm norm_{nullptr};  // absent with norm = post
};
TORCH_MODULE(Encoder);

/// The layers of the decoder.
class DecoderImpl : public torch::nn::Module {
 public:
  DecoderImpl(const ModelOptions& options, const Partition& partition);
  at::Tensor forward(at::Tensor x, const Packing& target, const EncodedSource& source, const ForwardContext& context);
  DecoderState start(const EncodedSource& source);
  at::Tensor step(at::Tensor x, DecoderState& state, const ForwardContext& context);

 private:
  std::shared_ptr<BlockRunner> runner_;
  std::vector<DecoderLayer> layers_;
  LayerNorm norm_{nullptr};
};
TORCH_MODULE(Decoder);

/// Encoder-decoder transformer with tied embeddings, sinusoidal positions, and MoE layers where the options say so.
/// The model knows nothing of ranks: the partition says which part of it is here, and hides where the rest is.
class EncoderDecoderImpl : public PlacedModule {
 public:
  /// options.vocabulary must be set. Parameters are not initialised; see initialize().
  explicit EncoderDecoderImpl(const ModelOptions& options, const Partition& partition = {});

  EncodedSource encode(const TokenInput& source, const ForwardContext& context);
  /// The decoder's final states [target tokens, hidden]; projection() makes the vocabulary's logits of them.
  at::Tensor decode(const TokenInput& target, const EncodedSource& source, const ForwardContext& context);

  /// Starts decoding step by step.
  DecoderState start(const EncodedSource& source);
  /// One step: ids [hypotheses] int64 -> final states [hypotheses, hidden]. Every sentence has the same number of
  /// hypotheses, and they lie together.
  at::Tensor step(const at::Tensor& ids, DecoderState& state, const ForwardContext& context);

  /// The output projection: the embedding, which is tied, or the slice of it that is here.
  Projection projection() const;
  const ModelOptions& options() const { return options_; }
  /// Those of the MoE layers, in the order in which the layers run.
  std::vector<std::shared_ptr<Router>> routers() const;

  /// Moves the weights to this precision; norms and gates stay in float32.
  void set_precision(at::ScalarType precision);

 private:
  at::Tensor look_up(const at::Tensor& ids) const;
  at::Tensor embed(const at::Tensor& ids, const at::Tensor& positions, const std::string& place,
                   const ForwardContext& context);

  ModelOptions options_;
  std::shared_ptr<ModelAxis> axis_;
  IndexRange vocabulary_;   // the entries here
  at::Tensor embedding_;    // [entries here, hidden]
  at::Tensor logits_bias_;  // [entries here]; undefined without model.logits-bias
  at::Tensor positions_;
  Encoder encoder_{nullptr};
  Decoder decoder_{nullptr};
};
TORCH_MODULE(EncoderDecoder);

/// Parameters of the whole model, wherever its parts are: all, and those that one token meets (top-k experts of each
/// MoE layer).
struct ParameterCount {
  std::int64_t total = 0;
  std::int64_t active = 0;
};
ParameterCount count_parameters(const EncoderDecoderImpl& model);

}  // namespace polymoe
