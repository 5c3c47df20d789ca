#include "nn/moe/statistics.h"

#include <numeric>

#include "nn/torch_headers.h"

namespace polymoe {

std::int64_t ExpertUsage::dropped() const {
  const auto sum = [](const std::vector<std::int64_t>& counts) {
    return std::accumulate(counts.begin(), counts.end(), std::int64_t{0});
  };
  return sum(assigned) - sum(kept);
}

void MoeStatistics::record(const std::string& layer, const at::Tensor& probabilities, const at::Tensor& expert_ids,
                           const kernels::RoutingPlan& plan, const std::vector<std::int32_t>& token_languages) {
  const at::Tensor p = probabilities.detach();
  const at::Tensor entropy = -(p * p.clamp_min(1e-30).log()).sum(1).to(at::kCPU, at::kDouble).contiguous();
  const at::Tensor ids = expert_ids.to(at::kCPU).contiguous();
  const auto* token_entropy = entropy.const_data_ptr<double>();
  const auto* expert = ids.const_data_ptr<std::int64_t>();
  auto& languages = layers_[layer];
  PositionUsage& positions = positions_[layer];
  for (std::int64_t t = 0; t < plan.tokens; ++t) {
    ExpertUsage& usage = languages[token_languages.at(static_cast<std::size_t>(t))];
    usage.assigned.resize(static_cast<std::size_t>(plan.experts));
    usage.kept.resize(static_cast<std::size_t>(plan.experts));
    ++usage.tokens;
    usage.entropy += token_entropy[t];
    for (std::int64_t a = t * plan.top_k; a < (t + 1) * plan.top_k; ++a) {
      const auto chosen = static_cast<std::size_t>(expert[a]);
      const auto part = static_cast<std::size_t>(t * PositionUsage::kParts / plan.tokens);
      ++usage.assigned[chosen];
      ++positions.assigned.at(part);
      if (plan.slot_of[static_cast<std::size_t>(a)] >= 0) {
        ++usage.kept[chosen];
      } else {
        ++positions.dropped.at(part);
      }
    }
  }
}

}  // namespace polymoe
