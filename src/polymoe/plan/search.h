#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "polymoe/config/planner_options.h"
#include "polymoe/plan/memory.h"
#include "polymoe/plan/step_time.h"

namespace polymoe {

/// A way to lay a model out over a cluster, with what it needs.
struct Plan {
  PlannerOptions options;  ///< with parallel.* and offload.* of this way; parallel.data is set
  Degrees degrees;
  std::int64_t parameters = 0;
  MemoryPlan memory;
  StepTime time;
  /// Bytes that a process takes of the memory of its device, and how many there are for it. A device that uses its
  /// host's memory (cluster.device-memory 0) has its share of that.
  std::int64_t needed = 0;
  std::int64_t available = 0;
  bool fits = false;

  /// As the paper names modes: E experts, D data, M model, Z ZeRO, Off offload. "E4 D2 Z2-Off(host)".
  std::string name() const;
};

/// The way that `options` themselves say, over options.cluster. Throws Error where the cluster's devices do not allow
/// the degrees.
Plan plan_of(const PlannerOptions& options);

/// All ways: degrees that the model and the cluster allow, ZeRO stages, tiers, recomputation. Those that fit come
/// first, the fastest first of them; the others by how much they lack.
std::vector<Plan> rank_plans(const PlannerOptions& options);

/// For each mode of the paper the largest model of the family of `options` that fits: the number of experts grows, or
/// in a dense model the number of layers. Modes with M may do without slices. A mode in which nothing fits is left out.
struct LargestModel {
  std::string mode;  ///< "E+D", "E+Z", "E+D+M", "E+Z+M", "E+Z-Off+M", "E+Z-Off+M, files"; dense: without "E+"
  Plan plan;
  bool ended_by_search = false;  ///< larger ones were not tried
};
std::vector<LargestModel> largest_models(const PlannerOptions& options);

}  // namespace polymoe
