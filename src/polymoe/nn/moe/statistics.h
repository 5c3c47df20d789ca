#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "polymoe/nn/moe/routing.h"

namespace polymoe {

/// How one MoE layer treated the tokens of one language.
struct ExpertUsage {
  std::int64_t tokens = 0;
  std::vector<std::int64_t> assigned;  ///< [experts], assignments before dropping
  std::vector<std::int64_t> kept;      ///< [experts], those of them that found a place
  std::vector<std::int64_t> first;     ///< [experts], tokens whose most probable expert of those chosen it is
  std::vector<double> confidence;      ///< [experts], the sum of these tokens' probabilities of it
  double entropy = 0.0;                ///< sum over tokens of the gate's entropy, in nats

  std::int64_t dropped() const;  ///< assignments that found no place
};

/// Assignments of one MoE layer by where in its micro-batch the token stands: the first tenth, the second, ...
struct PositionUsage {
  static constexpr std::int64_t kParts = 10;

  std::array<std::int64_t, kParts> assigned{};
  std::array<std::int64_t, kParts> dropped{};
};

/// Expert use by layer and language, summed over the micro-batches it was given to.
class MoeStatistics {
 public:
  /// Adds one layer's micro-batch. probabilities [tokens, experts]; token_languages [tokens]. The routing has
  /// a plan.
  void record(const std::string& layer, const at::Tensor& probabilities, const Routing& routing,
              const std::vector<std::int32_t>& token_languages);

  /// Layer name -> language index -> usage.
  const std::map<std::string, std::map<std::int32_t, ExpertUsage>>& layers() const { return layers_; }

  /// Layer name -> assignments by position. It shows whom a capacity limit hits: the last tokens where the first come
  /// first, all alike with random token selection.
  const std::map<std::string, PositionUsage>& positions() const { return positions_; }

 private:
  std::map<std::string, std::map<std::int32_t, ExpertUsage>> layers_;
  std::map<std::string, PositionUsage> positions_;
};

}  // namespace polymoe
