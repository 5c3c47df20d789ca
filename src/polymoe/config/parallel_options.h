#pragma once

#include <cstdint>
#include <string_view>

#include "polymoe/config/words.h"

namespace polymoe {

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

/// How a training run is spread over processes.
struct ParallelOptions {
  std::int64_t data = 0;                                  // copies; 0: what the other degrees leave of the processes
  std::int64_t expert = 1;                                // processes that a layer's experts are spread over
  std::int64_t tensor = 1;                                // processes that matrices are cut over
  std::int64_t zero_stage = 0;                            // 1: optimiser state sharded, 2: gradients, 3: parameters
  bool recompute = false;                                 // keep block inputs, compute the rest anew in backward
  ExpertSlicing expert_slicing = ExpertSlicing::kSliced;  // with tensor > 1
  AllToAll all_to_all = AllToAll::kFlat;                  // how tokens travel to experts
  std::int64_t exchange_chunks = 1;                       // runs of a process's experts, overlapped with exchanges
  double timeout = 600.0;                                 // seconds that a process waits for the others
  bool rank_logs = false;                                 // the log of each process in train.output/logs
};

}  // namespace polymoe
