#pragma once

#include <cstdint>
#include <vector>

#include "polymoe/data/batch.h"
#include "polymoe/nn/packing.h"

namespace polymoe {

/// One side of a micro-batch, ready for the model.
struct TokenInput {
  Packing packing;
  at::Tensor ids;                       ///< [tokens] int64
  std::vector<std::int32_t> languages;  ///< [tokens], the language of the row each token is in
};

/// A micro-batch as tensors on the model's device.
struct ModelInput {
  TokenInput source;
  TokenInput target;  ///< ids are what the decoder reads
  at::Tensor labels;  ///< [target tokens] int64, what it is to predict
};

/// The source side alone, for decoding, of rows of ids without padding; without languages.
TokenInput make_source_input(const std::vector<std::vector<std::int32_t>>& rows, const at::Device& device);
ModelInput make_model_input(const MicroBatch& batch, const at::Device& device);

}  // namespace polymoe
