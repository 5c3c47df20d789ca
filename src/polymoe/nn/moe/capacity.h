#pragma once

#include <cstdint>

namespace polymoe {

struct MoeOptions;

/// The capacity factor of a training update: from capacity_factor to final_capacity_factor in a straight line. It
/// depends on the update alone, so every process and every resumed run has the same.
double capacity_factor_at(const MoeOptions& options, std::uint64_t update);

/// C = max(1, min_capacity, ceil(top_k * tokens / experts * factor)), the factor taken as a decimal number, with the
/// factor of the training update or of evaluation; 0 (no limit) for dropless layers.
std::int64_t expert_capacity(const MoeOptions& options, std::int64_t tokens, bool training, std::uint64_t update = 0);

/// The most slots that the experts of a layer fill with a micro-batch of so many tokens.
std::int64_t most_slots(const MoeOptions& options, std::int64_t tokens, bool training, std::uint64_t update = 0);

}  // namespace polymoe
