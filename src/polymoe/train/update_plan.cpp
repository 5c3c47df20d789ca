#include "polymoe/train/update_plan.h"

#include <algorithm>

#include "polymoe/tensor/torch_headers.h"

namespace polymoe {

UpdatePlan plan_update(const std::vector<MicroBatch>& mine, std::int64_t num_micro_batches,
                       const ParallelLayout& layout) {
  const std::int64_t ranks = layout.data_parallel_size(), rounds = (num_micro_batches + ranks - 1) / ranks;
  at::Tensor tokens = at::zeros({rounds, 2}, at::kLong);
  for (std::size_t round = 0; round < mine.size(); ++round) {
    tokens[static_cast<std::int64_t>(round)][0] = mine[round].source_tokens();
    tokens[static_cast<std::int64_t>(round)][1] = mine[round].target_tokens();
  }
  // The slices of one model have the same micro-batches: what the first slice says counts.
  const std::int64_t slices = layout.degrees().tensor;
  at::Tensor all = at::empty({ranks, slices, rounds, 2}, at::kLong);
  layout.world().all_gather(tokens, all);
  const at::Tensor first = all.select(1, 0).contiguous();

  UpdatePlan plan{{0, num_micro_batches}, std::vector<ExchangeBounds>(static_cast<std::size_t>(rounds))};
  const auto* count = first.const_data_ptr<std::int64_t>();
  for (std::int64_t rank = 0; rank < ranks; ++rank) {
    for (ExchangeBounds& round : plan.rounds) {
      const std::int64_t source = *count++, target = *count++;
      round.source_tokens = std::max(round.source_tokens, source);
      round.target_tokens = std::max(round.target_tokens, target);
      plan.normalisation.target_tokens += target;
    }
  }
  return plan;
}

}  // namespace polymoe
