#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "polymoe/config/moe_options.h"
#include "polymoe/config/words.h"
#include "polymoe/kernels/activation.h"

namespace polymoe {

template <>
struct Words<Activation> {
  static constexpr std::string_view kAll[] = {"relu", "gelu", "swish"};
};

/// Layer norms before each block, in the residual's branch, or after each sum.
enum class NormOrder { kPre, kPost };
template <>
struct Words<NormOrder> {
  static constexpr std::string_view kAll[] = {"pre", "post"};
};

/// The frequencies of sinusoidal positions, see nn/positions.h.
enum class PositionFrequencies { kTensor2tensor, kPaper };
template <>
struct Words<PositionFrequencies> {
  static constexpr std::string_view kAll[] = {"tensor2tensor", "paper"};
};

/// The encoder-decoder transformer.
struct ModelOptions {
  std::string preset = "none";                // a named set of sizes, see apply_preset()
  std::int64_t vocabulary = 0;                // entries; 0: taken from the vocabulary file
  std::int64_t hidden = 512;                  // width
  std::int64_t ffn = 2048;                    // inner width of feed-forward blocks and experts
  std::int64_t heads = 8;                     // of attention; they divide `hidden`
  std::int64_t encoder_layers = 6;            // at least 1
  std::int64_t decoder_layers = 6;            // at least 1
  Activation activation = Activation::kRelu;  // of feed-forward blocks and experts
  NormOrder norm = NormOrder::kPre;           // where blocks have their layer norm
  bool embedding_scale = true;                // embeddings times sqrt(hidden)
  PositionFrequencies position_frequencies = PositionFrequencies::kTensor2tensor;  // of the sinusoids
  std::int64_t position_offset = 0;   // position of the first token in the table of sinusoids
  std::int64_t max_positions = 1024;  // tokens of the longest sequence
  bool logits_bias = false;           // a trained bias on the logits of the vocabulary
  double dropout = 0.1;               // after embeddings and blocks
  double attention_dropout = 0.0;     // on attention weights
  double activation_dropout = 0.0;    // after the activation
  MoeOptions moe;                     // its MoE layers
};

}  // namespace polymoe
