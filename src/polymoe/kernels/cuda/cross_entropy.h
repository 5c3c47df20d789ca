#pragma once

#include <cstdint>

#include "polymoe/kernels/bfloat16.h"
#include "polymoe/kernels/cuda/stream.h"

namespace polymoe::kernels::cuda {

/// Logits of the whole vocabulary.
struct CrossEntropyRows {
  const float* logits;         ///< [tokens, entries]
  const std::int64_t* labels;  ///< [tokens], from 0 to entries - 1
  std::int64_t tokens;
  std::int64_t entries;  ///< below 2^30
  double smoothing;
  double scale;  ///< of the gradient
};

/// Losses of each token on the GPU, token_nll and token_loss [tokens]. Over a token's logits l,
///   highest = max(l); s = sum(exp(l - highest)); nll = log(s) - (l[label] - highest);
///   loss = (1 - smoothing) * nll + smoothing * (log(s) - mean(l - highest)), which is nll without smoothing.
/// The order of sums depends on `entries` and the addresses' alignment alone, so the same call gives the same bits.
/// Fastest where rows begin at multiples of 16 bytes. A token with a logit of nan or +infinity, with no logit above
/// -infinity, or with a label outside of its range gets nan for both losses and all of its gradient.
void cross_entropy(const CrossEntropyRows& rows, float* token_nll, float* token_loss, Stream stream);

/// The same, and the gradient [tokens, entries] of scale * sum(token_loss), unless `gradient` is null:
///   (exp(l - highest) / s - (1 - smoothing) * onehot(label) - smoothing / entries) * scale
/// in float32, rounded once. A float32 gradient may be the logits' memory; other overlaps are not allowed.
void cross_entropy(const CrossEntropyRows& rows, float* token_nll, float* token_loss, float* gradient, Stream stream);
void cross_entropy(const CrossEntropyRows& rows, float* token_nll, float* token_loss, BFloat16* gradient,
                   Stream stream);

}  // namespace polymoe::kernels::cuda
