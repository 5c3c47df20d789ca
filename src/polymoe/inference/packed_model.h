#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "polymoe/checkpoint/checkpoint.h"
#include "polymoe/inference/decoding_model.h"
#include "polymoe/inference/packed_block.h"
#include "polymoe/model/model.h"

namespace polymoe {

/// A whole model on the CPU, laid out for inference: its weights are there once, packed for the products that they are
/// for, and computing changes nothing in it, so that many threads may translate with it at once. What a hypothesis gets
/// does not depend on what else is in its batch, bit for bit.
class PackedModel : public DecodingModel {
 public:
  /// options.vocabulary must be set. Throws Error where `read` lacks a weight, and for routers whose experts choose
  /// their tokens (see can_pack()).
  PackedModel(const ModelOptions& options, const WeightReader& read, WeightFormats formats);
  ~PackedModel() override;

  std::int64_t max_positions() const override { return options_.max_positions; }
  std::int64_t vocabulary() const override { return options_.vocabulary; }
  bool is_thread_safe() const override { return true; }
  bool gives_attention() const override { return true; }
  std::unique_ptr<DecodingState> start(const std::vector<std::vector<std::int32_t>>& sources,
                                       std::int64_t beams) override;

  const ModelOptions& options() const { return options_; }
  /// Of the weights.
  std::int64_t bytes() const;

 private:
  friend class PackedState;
  struct EncoderLayer;
  struct DecoderLayer;

  /// Writes embeddings of ids at `position`s to x [ids, hidden].
  void embed(const std::vector<std::int32_t>& ids, const std::vector<std::int32_t>& positions, float* x) const;

  ModelOptions options_;
  PackedLinear embedding_;  // [vocabulary, hidden], the output projection too
  AlignedArray<float> positions_;
  std::vector<EncoderLayer> encoder_;
  std::vector<DecoderLayer> decoder_;
  std::unique_ptr<PackedNorm> encoder_norm_, decoder_norm_;  // where norms come before blocks
};

/// Whether a PackedModel computes what models of these options do: not where experts choose their tokens, which takes
/// the whole batch.
bool can_pack(const ModelOptions& options);

/// A checkpoint's model; one weight at a time is held in its own form beside the packed ones.
std::shared_ptr<PackedModel> load_packed_model(const Checkpoint& checkpoint, WeightFormats formats);
/// A copy of a model in host memory, in its present state.
std::shared_ptr<PackedModel> pack_model(const ModelImpl& model, WeightFormats formats);

}  // namespace polymoe
