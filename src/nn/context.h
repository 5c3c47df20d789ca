#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include <ATen/core/Tensor.h>

#include "base/random.h"

namespace polymoe {

class MoeStatistics;
class RoutingMemo;

/// What one forward pass over a micro-batch carries beside its tensors. Random numbers depend on the run's seed, the
/// update, the micro-batch and the place in the model, never on who computes.
struct ForwardContext {
  bool training = false;
  /// No capacity limit, whatever the options say, unless experts choose their tokens: decoding sets it, so that a
  /// translation does not depend on what else is in its batch.
  bool dropless = false;
  std::uint64_t seed = 0;
  std::uint64_t update = 0;
  std::uint64_t micro_batch = 0;

  /// Where micro-batches of several processes meet at the experts: the most tokens that any of these micro-batches has
  /// on each side, and on the side that runs now. Experts with a capacity exchange as many rows as it allows for that.
  std::int64_t most_source_tokens = 0;
  std::int64_t most_target_tokens = 0;
  std::int64_t exchange_tokens = 0;

  /// One scalar for each MoE layer that ran, in order, each a mean over the micro-batch's tokens.
  std::vector<at::Tensor> balance_losses;
  std::vector<at::Tensor> router_z_losses;
  /// For each of them RouterOutput::load, which may be undefined.
  std::vector<at::Tensor> loads;

  /// Keeps the routings of a pass that will be computed anew, and gives them back then; null where none will.
  RoutingMemo* routing_memo = nullptr;

  /// Collects expert use when set; `token_languages` then names the language of each token of the side that runs.
  MoeStatistics* statistics = nullptr;
  std::vector<std::int32_t> token_languages;

  /// The key of the random numbers of one place (a module's full name).
  PhiloxKey random_key(std::string_view place) const { return random_key(place, micro_batch); }
  /// The same for another micro-batch of the update, whose tokens come to the experts that live here.
  PhiloxKey random_key(std::string_view place, std::uint64_t of_micro_batch) const {
    return RandomStream(seed, fnv1a(place), update, of_micro_batch).key();
  }
};

}  // namespace polymoe
