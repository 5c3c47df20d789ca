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

}  // namespace polymoe
