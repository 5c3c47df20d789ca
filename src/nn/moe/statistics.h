#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "kernels/cpu/routing.h"

namespace polymoe {

/// How one MoE layer treated the tokens of one language.
struct ExpertUsage {
  std::int64_t tokens = 0;
  std::vector<std::int64_t> assigned;  ///< [experts], assignments before dropping
  std::vector<std::int64_t> kept;      ///< [experts], those of them that found a place
  double entropy = 0.0;                ///< sum over tokens of the gate's entropy, in nats

  std::int64_t dropped() const;  ///< assignments that found no place
};

/// Expert use by layer and language, summed over the micro-batches it was given to.
class MoeStatistics {
 public:
  /// Adds one layer's micro-batch. probabilities [tokens, experts]; expert_ids [tokens, top_k]; token_languages
  /// [tokens].
  void record(const std::string& layer, const at::Tensor& probabilities, const at::Tensor& expert_ids,
              const kernels::RoutingPlan& plan, const std::vector<std::int32_t>& token_languages);

  /// Layer name -> language index -> usage.
  const std::map<std::string, std::map<std::int32_t, ExpertUsage>>& layers() const { return layers_; }

 private:
  std::map<std::string, std::map<std::int32_t, ExpertUsage>> layers_;
};

}  // namespace polymoe
