#pragma once

#include <string_view>

#include "config/words.h"

/// The enums of options, with their words.
namespace polymoe {

/// What decides which tokens go to which experts.
enum class RouterKind { kTokenChoice, kSigmoid, kExpertChoice };
template <>
struct Words<RouterKind> {
  static constexpr std::string_view kAll[] = {"token-choice", "sigmoid", "expert-choice"};
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

}  // namespace polymoe
