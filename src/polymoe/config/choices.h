#pragma once

#include <string_view>

#include "polymoe/config/words.h"
#include "polymoe/kernels/activation.h"

/// The enums of options, with their words.
namespace polymoe {

/// Where a model lives.
enum class DeviceKind { kCpu, kCuda };
template <>
struct Words<DeviceKind> {
  static constexpr std::string_view kAll[] = {"cpu", "cuda"};
};
/// The number format of weights and activations in training.
enum class NumberFormat { kFloat32, kBFloat16, kFloat16 };
template <>
struct Words<NumberFormat> {
  static constexpr std::string_view kAll[] = {"float32", "bfloat16", "float16"};
};
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

/// Where translations hold the placeholders, tags and addresses of their sources, each once and as they are.
enum class Protection { kNever, kDocuments, kAlways };
template <>
struct Words<Protection> {
  static constexpr std::string_view kAll[] = {"never", "documents", "always"};
};

/// Which lines are translated sentence by sentence: those that are longer than the model reads, or others too.
enum class SentenceSplit { kNever, kLong, kAlways };
template <>
struct Words<SentenceSplit> {
  static constexpr std::string_view kAll[] = {"never", "long", "always"};
};

/// The validation metric by which the best checkpoint is kept.
enum class ValidMetric { kLoss, kBleu, kChrf };
template <>
struct Words<ValidMetric> {
  static constexpr std::string_view kAll[] = {"loss", "bleu", "chrf"};
};

/// How the learning rate falls after its warm-up.
enum class Schedule { kInverseSqrt, kCosine, kLinear, kConstant };
template <>
struct Words<Schedule> {
  static constexpr std::string_view kAll[] = {"inverse-sqrt", "cosine", "linear", "constant"};
};

/// Experts where matrices are sliced: sliced too, or whole, each on one process.
enum class ExpertSlicing { kSliced, kWhole };
template <>
struct Words<ExpertSlicing> {
  static constexpr std::string_view kAll[] = {"sliced", "whole"};
};

/// How tokens travel: straight to their expert's process, or within nodes first and then across.
enum class AllToAll { kFlat, kHierarchical };
template <>
struct Words<AllToAll> {
  static constexpr std::string_view kAll[] = {"flat", "hierarchical"};
};

/// Where a kind of state lives.
enum class Tier { kDevice, kHost, kFile };
template <>
struct Words<Tier> {
  static constexpr std::string_view kAll[] = {"device", "host", "file"};
};

}  // namespace polymoe
