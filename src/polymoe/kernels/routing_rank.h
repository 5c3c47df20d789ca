#pragma once

#include <cstdint>

#include "polymoe/base/random.h"
#include "polymoe/kernels/cpu/routing.h"
#include "polymoe/kernels/host_device.h"
#include "polymoe/kernels/token_ranges.h"

namespace polymoe::kernels {

/// The rank that decides which assignments an expert over capacity keeps: smallest first, ties by the assignment
/// itself. First choices come before second ones (Lepikhin et al. 2021, GShard), up to 65,536 of a token. Random ranks
/// among equal choices are Philox at the assignment's index, which makes them independent of layout.
POLYMOE_HOST_DEVICE inline std::uint64_t routing_rank(std::int64_t assignment, const TokenRanges& tokens,
                                                      const TokenSelection& selection) {
  const auto choice = static_cast<std::uint64_t>(tokens.choice_of(assignment));
  if (!selection.enabled) return choice;
  const auto index = static_cast<std::uint64_t>(assignment);
  const PhiloxCounter block =
      philox({static_cast<std::uint32_t>(index), static_cast<std::uint32_t>(index >> 32), 0u, 4u}, selection.key);
  return (choice << 48) | (std::uint64_t{block[1] & 0xFFFFu} << 32) | block[0];
}

}  // namespace polymoe::kernels
