#pragma once

#include <cstdint>

#include "polymoe/kernels/bfloat16.h"
#include "polymoe/kernels/cpu/packed_product.h"

/// The cross entropy of tokens under logits = states * weight^T + bias, with its gradients, in steps that threads share
/// and between which slices of a vocabulary exchange what they found. States and weight (Element) are float32, or
/// bfloat16 of an even hidden size: then the gradient at the logits is rounded to it for the products that follow, and
/// all sums are float32.
///
/// A group of at most kPanel tokens is computed at a time. Its logits lie entry after entry, [entries, kPanel], so that
/// weights are read as they are and what tokens sum over the vocabulary needs no sums within vectors; places without a
/// token hold the logits of a zero state. Sums over the vocabulary run by blocks of kEntryBlock entries and then over
/// the blocks, those over tokens in their order: nothing depends on threads, and a token on no other.
namespace polymoe::kernels {

constexpr std::int64_t kEntryBlock = 96;
constexpr std::int64_t entry_blocks(std::int64_t entries) { return (entries + kEntryBlock - 1) / kEntryBlock; }

/// The entries of a vocabulary, or of a slice.
template <typename Element>
struct Entries {
  const Element* weight;  ///< [count, hidden]
  const Element* bias;    ///< [count]; null: none
  std::int64_t count, hidden;
};

/// Rows of kPanel floats that hold the logits of so many entries: one for each, and an even number.
constexpr std::int64_t logit_rows(std::int64_t entries) { return entries + entries % 2; }

/// Lays out the states [tokens, hidden] of a group; `packed` has packed_states_size(hidden) floats.
template <typename Element>
void pack_states(const Element* states, std::int64_t tokens, std::int64_t hidden, float* packed);
constexpr std::int64_t packed_states_size(std::int64_t hidden) {
  return hidden * kPanel + panels_of(hidden) * kPanel * kPanel;
}

/// The logits of the entries of a block, into their rows of logits [logit_rows(count), kPanel], and each token's
/// greatest of them, greatest [kPanel].
template <typename Element>
void entry_logits(const Entries<Element>& entries, std::int64_t block, const float* packed, float* logits,
                  float* greatest, Vectors vectors = best_vectors());

/// Over the entries of a block of `entries`, each token's sum of exp(logit - greatest) and of logit - greatest:
/// exponentials and differences [kPanel]. The logits become the exponentials.
void entry_sums(std::int64_t entries, std::int64_t block, const float* greatest, float* logits, float* exponentials,
                float* differences, Vectors vectors = best_vectors());

/// What makes a token's gradient of its exponentials: exponential * scale - offset, and less `label_share` at its
/// label.
struct TokenFactors {
  std::int64_t tokens;
  const float* scale;          ///< [kPanel], zero where no token is
  const float* offset;         ///< [kPanel], zero where no token is
  const std::int64_t* labels;  ///< [tokens]; what is no entry here is in another slice
  float label_share;
};

/// The gradient at the logits of a block, in place of the exponentials and laid out for states_gradient(), and what
/// comes of it for the block's rows of weight_gradient [count, hidden] and bias_gradient [count] (null: none), which go
/// on from what is there if `continues`.
template <typename Element>
void entry_gradients(const Entries<Element>& entries, std::int64_t block, const float* packed,
                     const TokenFactors& factors, float* logits, bool continues, float* weight_gradient,
                     float* bias_gradient, Vectors vectors = best_vectors());

/// The gradient at the states: the inputs of a panel of states_gradient [tokens, hidden]. `scratch` has
/// kStatesGradientScratch floats.
constexpr std::int64_t kStatesGradientScratch = 2 * kPanel * kPanel;
template <typename Element>
void states_gradient(const Entries<Element>& entries, const float* gradient, std::int64_t tokens, std::int64_t panel,
                     Element* states_gradient, float* scratch, Vectors vectors = best_vectors());

}  // namespace polymoe::kernels
