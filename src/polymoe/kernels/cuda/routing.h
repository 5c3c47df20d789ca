#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "polymoe/kernels/cpu/routing.h"
#include "polymoe/kernels/cuda/stream.h"

namespace polymoe::kernels::cuda {

/// Where the GPU's plan_routing() writes; all on the device.
struct RoutingBuffers {
  std::int64_t* slot_token;  ///< [most_slots()]; the token in each slot, 0 beyond the slots: gathers stay in bounds
  std::int64_t* slot_of;     ///< [assignments]; the slot of each, -1 when dropped
  std::int32_t* expert_end;  ///< [experts]; where each expert's slots end, and the next expert's begin
  std::int64_t* assigned;    ///< [experts]; assignments before dropping
  void* workspace;           ///< routing_workspace_bytes(), aligned to 8; free for others once the kernels are done
};

/// No plan has more slots, whatever the experts chosen.
constexpr std::int64_t most_slots(std::int64_t assignments, std::int64_t experts, std::int64_t capacity) {
  return capacity == 0 || capacity >= assignments ? assignments : std::min(assignments, experts * capacity);
}

/// The bytes of RoutingBuffers::workspace.
std::size_t routing_workspace_bytes(std::int64_t assignments, std::int64_t experts);

/// kernels::plan_routing() on the GPU: the same slots, and the host never waits.
///   expert_ids [assignments], on the device as `tokens.begin` is: the chosen experts, each in [0, experts)
///   or -1 for none. There must be fewer than 2^31, and where tokens have unequally many, no token may have an expert
///   twice.
void plan_routing(const std::int64_t* expert_ids, const TokenRanges& tokens, std::int64_t experts,
                  std::int64_t capacity, const TokenSelection& selection, const RoutingBuffers& out, Stream stream);

}  // namespace polymoe::kernels::cuda
