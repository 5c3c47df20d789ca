#include "polymoe/nn/moe/statistics.h"

#include <algorithm>
#include <numeric>

#include "polymoe/tensor/torch_headers.h"

namespace polymoe {

std::int64_t ExpertUsage::dropped() const {
  const auto sum = [](const std::vector<std::int64_t>& counts) {
    return std::accumulate(counts.begin(), counts.end(), std::int64_t{0});
  };
  return sum(assigned) - sum(kept);
}

void MoeStatistics::record(const std::string& layer, const at::Tensor& probabilities, const Routing& routing,
                           const std::vector<std::int32_t>& token_languages) {
  const at::Tensor p = probabilities.detach();
  const at::Tensor entropy = -(p * p.clamp_min(1e-30).log()).sum(1).to(at::kCPU, at::kDouble).contiguous();
  const at::Tensor host_p = p.to(at::kCPU, at::kFloat).contiguous();
  const Assignments list = routing.assignments.to(at::kCPU);
  const kernels::TokenRanges tokens = ranges_of(list.expert_ids, list.token_begin);
  const kernels::RoutingPlan& plan = *routing.plan;
  const auto* token_entropy = entropy.const_data_ptr<double>();
  const auto* probability = host_p.const_data_ptr<float>();
  const auto* expert = list.expert_ids.const_data_ptr<std::int64_t>();
  auto& languages = layers_[layer];
  PositionUsage& positions = positions_[layer];
  for (std::int64_t t = 0; t < tokens.tokens; ++t) {
    ExpertUsage& usage = languages[token_languages.at(static_cast<std::size_t>(t))];
    usage.assigned.resize(static_cast<std::size_t>(plan.experts));
    usage.kept.resize(static_cast<std::size_t>(plan.experts));
    usage.first.resize(static_cast<std::size_t>(plan.experts));
    usage.confidence.resize(static_cast<std::size_t>(plan.experts));
    ++usage.tokens;
    usage.entropy += token_entropy[t];
    const float* const of_token = probability + t * plan.experts;
    std::int64_t likeliest = -1;
    for (std::int64_t a = tokens.first(t); a < tokens.first(t + 1); ++a) {
      if (expert[a] < 0) continue;  // a second choice that was left out
      if (likeliest < 0 || of_token[expert[a]] > of_token[likeliest]) likeliest = expert[a];
      const auto chosen = static_cast<std::size_t>(expert[a]);
      const auto part = static_cast<std::size_t>(t * PositionUsage::kParts / tokens.tokens);
      ++usage.assigned[chosen];
      ++positions.assigned.at(part);
      if (plan.slot_of[static_cast<std::size_t>(a)] >= 0) {
        ++usage.kept[chosen];
      } else {
        ++positions.dropped.at(part);
      }
    }
    if (likeliest < 0) continue;
    ++usage.first[static_cast<std::size_t>(likeliest)];
    usage.confidence[static_cast<std::size_t>(likeliest)] += of_token[likeliest];
  }
}

}  // namespace polymoe
