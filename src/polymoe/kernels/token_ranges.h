#pragma once

#include <cstdint>

#include "polymoe/kernels/host_device.h"

namespace polymoe::kernels {

/// Which assignments belong to which token, in a list of assignments ordered by token: token t has those in
/// [first(t), first(t + 1)).
struct TokenRanges {
  std::int64_t tokens = 0;
  std::int64_t assignments = 0;  ///< of all tokens
  std::int64_t each = 0;         ///< of every token, where `begin` is null
  const std::int64_t* begin =
      nullptr;  ///< [tokens + 1], where tokens have unequally many; in the memory of who reads it

  /// Every token has `each`.
  static constexpr TokenRanges equal(std::int64_t tokens, std::int64_t each) {
    return {tokens, tokens * each, each, nullptr};
  }

  POLYMOE_HOST_DEVICE std::int64_t first(std::int64_t token) const {
    return begin == nullptr ? token * each : begin[token];
  }

  POLYMOE_HOST_DEVICE std::int64_t token_of(std::int64_t assignment) const {
    if (begin == nullptr) return assignment / each;
    // The last token that begins at the assignment or before it: those without assignments come before the one with.
    std::int64_t low = 0, high = tokens;
    while (high - low > 1) {
      const std::int64_t middle = (low + high) / 2;
      if (begin[middle] <= assignment) {
        low = middle;
      } else {
        high = middle;
      }
    }
    return low;
  }

  /// 0 for the first choice of its token, 1 for the second, ...
  POLYMOE_HOST_DEVICE std::int64_t choice_of(std::int64_t assignment) const {
    return begin == nullptr ? assignment % each : assignment - begin[token_of(assignment)];
  }
};

}  // namespace polymoe::kernels
