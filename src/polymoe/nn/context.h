#pragma once

#include <algorithm>
#include <cstdint>
#include <string_view>
#include <vector>

#include <ATen/core/Tensor.h>

#include "polymoe/base/random.h"

namespace polymoe {

class MoeStatistics;
class RoutingMemo;

/// What comes out of a forward pass besides tensors of the model.
struct ForwardOutputs {
  /// One scalar for each MoE layer that ran, in order, each a mean over the micro-batch's tokens.
  std::vector<at::Tensor> balance_losses;
  std::vector<at::Tensor> router_z_losses;
  /// For each of them RouterOutput::load, which may be undefined.
  std::vector<at::Tensor> loads;

  MoeStatistics* statistics = nullptr;  ///< collects expert use where set
};

/// Where micro-batches of several processes meet at the experts: the most tokens that any of them has on each side.
struct ExchangeBounds {
  std::int64_t source_tokens = 0;
  std::int64_t target_tokens = 0;
};

/// What goes into a forward pass over a micro-batch besides its tensors. Random numbers depend on the run's seed, the
/// update, the micro-batch and the place in the model, never on who computes.
struct ForwardContext {
  bool training = false;
  /// No capacity limit, whatever the options say: decoding sets it, so that a translation does not depend on what else
  /// is in its batch.
  bool dropless = false;
  std::uint64_t seed = 0;
  std::uint64_t update = 0;
  std::uint64_t micro_batch = 0;
  ExchangeBounds bounds;

  ForwardOutputs* outputs = nullptr;  ///< where losses and statistics go; null: nobody asks

  /// Keeps the routings of a pass that will be computed anew, and gives them back then; null where none will.
  RoutingMemo* routing_memo = nullptr;

  /// Of the side that runs now, see of_side(): the tokens by which experts with a capacity exchange rows, and where
  /// statistics are collected, the language of each token.
  std::int64_t exchange_tokens = 0;
  std::vector<std::int32_t> token_languages;

  bool collects_statistics() const { return outputs != nullptr && outputs->statistics != nullptr; }

  /// The context of a side that has `tokens` here, and `bound` or fewer in other processes.
  ForwardContext of_side(std::int64_t tokens, std::int64_t bound, const std::vector<std::int32_t>& languages) const {
    ForwardContext side = *this;
    side.exchange_tokens = std::max(tokens, bound);
    if (collects_statistics()) side.token_languages = languages;
    return side;
  }

  /// The key of the random numbers of one place (a module's full name).
  PhiloxKey random_key(std::string_view place) const { return random_key(place, micro_batch); }
  /// The same for another micro-batch of the update, whose tokens come to the experts that live here.
  PhiloxKey random_key(std::string_view place, std::uint64_t of_micro_batch) const {
    return RandomStream(seed, fnv1a(place), update, of_micro_batch).key();
  }
};

}  // namespace polymoe
