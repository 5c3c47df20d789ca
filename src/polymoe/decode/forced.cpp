#include "polymoe/decode/forced.h"

#include "polymoe/tensor/torch_headers.h"

namespace polymoe {

std::vector<std::vector<float>> forced_scores(DecodingModel& model, const std::vector<ForcedTarget>& batch,
                                              std::int32_t start, const std::vector<std::int32_t>& head,
                                              std::int32_t end) {
  const at::NoGradGuard no_grad;
  std::vector<std::vector<std::int32_t>> sources;
  std::vector<std::size_t> live;  // by row, its place in the batch
  for (const ForcedTarget& work : batch) {
    live.push_back(sources.size());
    sources.push_back(work.source);
  }
  const std::unique_ptr<DecodingState> state = model.start(sources, 1);
  std::vector<std::int32_t> next(batch.size(), start);
  for (const std::int32_t id : head) {
    state->step(next);
    next.assign(batch.size(), id);
  }
  std::vector<std::vector<float>> scores(batch.size());
  for (std::size_t position = 0; !live.empty(); ++position) {
    const at::Tensor log_probabilities = state->step(next);
    std::vector<std::int64_t> wanted, kept;
    for (const std::size_t i : live) {
      const std::vector<std::int32_t>& target = batch[i].target;
      wanted.push_back(position < target.size() ? target[position] : end);
    }
    const at::Tensor ids = at::tensor(wanted, at::kLong).to(log_probabilities.device()).unsqueeze(1);
    const at::Tensor values = log_probabilities.gather(1, ids).to(at::kCPU).contiguous();
    std::vector<std::size_t> going_on;
    next.clear();
    for (std::size_t row = 0; row < live.size(); ++row) {
      scores[live[row]].push_back(values.const_data_ptr<float>()[row]);
      if (position >= batch[live[row]].target.size()) continue;
      kept.push_back(static_cast<std::int64_t>(row));
      next.push_back(batch[live[row]].target[position]);
      going_on.push_back(live[row]);
    }
    live = std::move(going_on);
    if (!live.empty()) state->select(kept, kept);
  }
  return scores;
}

}  // namespace polymoe
