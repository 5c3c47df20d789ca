#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "polymoe/checkpoint/checkpoint.h"

namespace polymoe {

/// What a translation computes with, in parameters.
struct DecodingCost {
  struct Layer {
    std::int64_t experts = 0;
    double size = 0;  ///< of one expert
  };
  struct Side {
    double dense = 0;  ///< of all that is no expert, the output projection with the decoder
    std::map<std::string, Layer> layers;
  };
  Side encoder, decoder;
  std::int64_t top_k = 1;
};

DecodingCost decoding_cost(const Checkpoint& checkpoint, std::int64_t top_k);

/// Seconds for a batch of `sentences` of 25 tokens with a beam of 4, on a machine of 10 GB/s and 50 GFLOPS: once the
/// encoder, then 25 steps of the decoder, each the longer of the time to read its weights (float32) and the time for
/// its products. Of a layer's n experts, t tokens that choose at random read n (1 - (1 - 1/n)^(t k)). Attention over
/// the context is left out. Only ratios of two such numbers are meant to be used.
double predicted_seconds(const DecodingCost& cost, std::int64_t sentences);

}  // namespace polymoe
