#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "polymoe/config/words.h"

namespace polymoe {

/// The sides of a model that have MoE layers.
enum class MoeSide { kBoth, kEncoder, kDecoder };
template <>
struct Words<MoeSide> {
  static constexpr std::string_view kAll[] = {"both", "encoder", "decoder"};
};

/// What decides which tokens go to which experts.
enum class RouterKind { kTokenChoice, kSigmoid, kExpertChoice };
template <>
struct Words<RouterKind> {
  static constexpr std::string_view kAll[] = {"token-choice", "sigmoid", "expert-choice"};
};

/// Whether an expert takes so many tokens and no more.
enum class CapacityKind { kLimited, kDropless };
template <>
struct Words<CapacityKind> {
  static constexpr std::string_view kAll[] = {"limited", "dropless"};
};

/// Noise on a router's choice while training.
enum class GateNoise { kNone, kJitter, kGumbel };
template <>
struct Words<GateNoise> {
  static constexpr std::string_view kAll[] = {"none", "jitter", "gumbel"};
};

/// When a token of a top-2 gate also goes to its second expert, in training.
enum class SecondExpert {
  kAll,      // always, to the best after the first
  kSampled,  // always, to one that is drawn by probability
  kRandom,   // to the best, with a chance of twice its probability
};
template <>
struct Words<SecondExpert> {
  static constexpr std::string_view kAll[] = {"all", "sampled", "random"};
};

/// Over which tokens the balance loss takes the experts' load.
enum class BalanceScope { kMicroBatch, kUpdate };
template <>
struct Words<BalanceScope> {
  static constexpr std::string_view kAll[] = {"micro-batch", "update"};
};

/// Mixture-of-Experts layers. `experts` = 0 makes the model dense.
struct MoeOptions {
  std::int64_t experts = 0;                                // of each MoE layer
  std::vector<std::int64_t> experts_per_layer{};           // empty: `experts` in each MoE layer
  std::int64_t every = 2;                                  // every n-th layer of a side is one
  MoeSide side = MoeSide::kBoth;                           // which has them
  RouterKind router = RouterKind::kTokenChoice;            // what chooses
  std::int64_t top_k = 1;                                  // experts of a token; with expert choice on average
  CapacityKind capacity = CapacityKind::kLimited;          // whether there is a limit
  double capacity_factor = 1.0;                            // in training, as a multiple of an even share
  double final_capacity_factor = 0.0;                      // 0: capacity_factor throughout
  std::int64_t capacity_updates = 0;                       // from capacity_factor to final_capacity_factor
  double eval_capacity_factor = 2.0;                       // in validation; decoding has no limit
  std::int64_t min_capacity = 4;                           // of an expert, in tokens
  bool random_token_selection = true;                      // which tokens stay: random ones, or the first
  GateNoise gate_noise = GateNoise::kNone;                 // in training
  SecondExpert second_expert = SecondExpert::kAll;         // of a top-2 token-choice router, in training
  double balance_loss = 0.01;                              // its weight
  BalanceScope balance_scope = BalanceScope::kMicroBatch;  // whose choices it counts
  double bias_rate = 0.001;                                // of the sigmoid router, for each update
  double router_z_loss = 0.0;                              // its weight
  bool normalize_gates = true;                             // with top_k above 1, a token's weights add up to one
  double output_masking = 0.0;      // probability that a token goes without its experts' output, in training
  double output_scale = 1.0;        // of the routed experts' output
  std::int64_t shared_experts = 0;  // experts that every token goes to besides
};

}  // namespace polymoe
