#pragma once

#include <memory>
#include <string>
#include <vector>

#include "polymoe/model/block.h"
#include "polymoe/model/model.h"

namespace polymoe {

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
class EncoderDecoderImpl : public ModelImpl {
 public:
  explicit EncoderDecoderImpl(const ModelOptions& options, const Partition& partition = {});

  EncodedSource encode(const TokenInput& source, const ForwardContext& context) override;
  at::Tensor decode(const TokenInput& target, const EncodedSource& source, const ForwardContext& context) override;
  DecoderState start(const EncodedSource& source) override;
  at::Tensor step(const at::Tensor& ids, DecoderState& state, const ForwardContext& context) override;
  /// The embedding, which is tied, or the slice of it that is here.
  Projection projection() const override;

 private:
  at::Tensor look_up(const at::Tensor& ids) const;
  at::Tensor embed(const at::Tensor& ids, const at::Tensor& positions, const std::string& full_name,
                   const ForwardContext& context);

  std::shared_ptr<ModelAxis> axis_;
  IndexRange vocabulary_;   // the entries here
  at::Tensor embedding_;    // [entries here, hidden]
  at::Tensor logits_bias_;  // [entries here]; undefined without model.logits-bias
  at::Tensor positions_;
  Encoder encoder_{nullptr};
  Decoder decoder_{nullptr};
};
TORCH_MODULE(EncoderDecoder);

}  // namespace polymoe
