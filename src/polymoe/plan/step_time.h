#pragma once

#include "polymoe/parallel/layout.h"
#include "polymoe/plan/model_shape.h"

namespace polymoe {

struct ClusterOptions;
struct PlannerOptions;

/// Seconds of one update in one process.
struct StepTime {
  double compute = 0.0;    ///< matrix products of forward and backward, and of forward anew with parallel.recompute
  double exchange = 0.0;   ///< tokens to their experts and back
  double slices = 0.0;     ///< sums over the slices of matrices
  double gradients = 0.0;  ///< gradients and parameters between copies
  double offload = 0.0;    ///< gradients and parameters between device and host or files
  double update = 0.0;     ///< Adam, with its state from wherever it is
  double backward = 0.0;   ///< of `compute`; gradients travel between copies meanwhile

  double total() const;
};

/// Processes that share a node's host memory and disk.
double processes_of_node(const ClusterOptions& cluster);

/// By formula: FLOPs over (peak x efficiency), bytes over bandwidth; latencies and imbalance of experts are not in it.
/// A group whose members lie in one node talks at its bandwidth, others at the network's.
StepTime plan_step_time(const PlannerOptions& options, const Degrees& degrees, const ModelShape& shape);

}  // namespace polymoe
