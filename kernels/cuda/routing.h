#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "kernels/cpu/routing.h"
#include "kernels/cuda/stream.h"

namespace polymoe::kernels::cuda {

/// Where the GPU's plan_routing() writes; all on the device.
struct RoutingBuffers {
  std::int64_t* slot_token;  ///< [most_slots()]; the token in each slot, 0 beyond the slots: gathers stay in bounds
  std::int64_t* slot_of;     ///< [tokens * top_k]; the slot of each assignment, -1 when dropped
  std::int32_t* expert_end;  ///< [experts]; where each expert's slots end, and the next expert's begin
  std::int64_t* assigned;    ///< [experts]; assignments before dropping
  void* workspace;           ///< routing_workspace_bytes(), aligned to 8; free for others once the kernels are done
};

/// No plan has more slots, whatever the experts chosen.
constexpr std::int64_t most_slots(std::int64_t tokens, std::int64_t top_k, std::int64_t experts,
                                  std::int64_t capacity) {
  const std::int64_t assignments = tokens * top_k;
  return capacity == 0 || capacity >= assignments ? assignments : std::min(assignments, experts * capacity);
}

/// The bytes of RoutingBuffers::workspace.
std::size_t routing_workspace_bytes(std::int64_t tokens, std::int64_t top_k, std::int64_t experts);

/// kernels::plan_routing() on the GPU: the same slots, and the host never waits.
///   expert_ids [tokens, top_k], on the device: the chosen experts, each in [0, experts).
///   tokens * top_k must stay below 2^31.
void plan_routing(const std::int64_t* expert_ids, std::int64_t tokens, std::int64_t top_k, std::int64_t experts,
                  std::int64_t capacity, const TokenSelection& selection, const RoutingBuffers& out, Stream stream);

}  // namespace polymoe::kernels::cuda
