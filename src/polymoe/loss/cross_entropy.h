#pragma once

#include <cstdint>

#include <ATen/core/Tensor.h>

#include "polymoe/nn/projection.h"

namespace polymoe {

/// What predicting some tokens cost.
struct CrossEntropy {
  at::Tensor loss;        ///< scalar: the label-smoothed loss, summed over tokens and divided by the normaliser
  at::Tensor token_nll;   ///< [tokens] float32, detached: -log p(label)
  at::Tensor token_loss;  ///< [tokens] float32, detached: with label smoothing
};

/// Label-smoothed cross entropy of logits = states * projection^T + bias, with the projection inside, so that the
/// logits [tokens, vocabulary] never exist as a whole: tokens are taken in chunks, and when gradients are wanted they
/// are made in the same pass.
///   states [tokens, hidden], projection [vocabulary, hidden] or this process's slice of it, labels [tokens] int64.
///   token loss = (1 - smoothing) * nll + smoothing * mean over the vocabulary of -log p   (Szegedy et al. 2016)
///   normaliser: what sums are divided by, the number of target tokens of the whole update.
/// Memory beside the results: one chunk of float32 logits, and the gradient of the projection.
/// With a sliced vocabulary all slices get the same results; they exchange four numbers for each token.
CrossEntropy projected_cross_entropy(const at::Tensor& states, const Projection& projection, const at::Tensor& labels,
                                     double smoothing, double normaliser);

/// The most tokens of a chunk, with logits of so many entries of the vocabulary; the planner counts on it.
std::int64_t tokens_of_chunk(std::int64_t entries, bool on_gpu);

/// The logits [tokens, entries here] float32 (float64 of float64 states) of the entries that this process holds.
at::Tensor projected_logits(const at::Tensor& states, const Projection& projection);

/// log softmax(states * projection^T + bias) [tokens, vocabulary] float32, for decoding; all of it on every slice.
at::Tensor projected_log_probabilities(const at::Tensor& states, const Projection& projection);

}  // namespace polymoe
