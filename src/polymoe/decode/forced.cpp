#include "polymoe/decode/forced.h"

#include <memory>
#include <utility>

#include "polymoe/tensor/torch_headers.h"

namespace polymoe {
namespace {

// A target that is still being read: its place in the batch.
using Rows = std::vector<std::size_t>;

// Has the model read all targets of `batch` at once. Calls visit(state, log probabilities, live, position) after each
// step: those of `live` have read their token before `position`; they leave behind their last token.
template <typename Visit>
void read_targets(DecodingModel& model, const std::vector<ForcedTarget>& batch, std::int32_t start,
                  const std::vector<std::int32_t>& head, bool keeps_attention, const Visit& visit) {
  const at::NoGradGuard no_grad;
  std::vector<std::vector<std::int32_t>> sources;
  Rows live;
  for (const ForcedTarget& work : batch) {
    live.push_back(sources.size());
    sources.push_back(work.source);
  }
  const std::unique_ptr<DecodingState> state = model.start(sources, 1);
  if (keeps_attention) state->keep_attention();
  std::vector<std::int32_t> next(batch.size(), start);
  for (const std::int32_t id : head) {
    state->step(next);
    next.assign(batch.size(), id);
  }
  for (std::size_t position = 0; !live.empty(); ++position) {
    const at::Tensor log_probabilities = state->step(next);
    visit(*state, log_probabilities, live, position);
    std::vector<std::int64_t> kept;
    Rows going_on;
    next.clear();
    for (std::size_t row = 0; row < live.size(); ++row) {
      if (position >= batch[live[row]].target.size()) continue;
      kept.push_back(static_cast<std::int64_t>(row));
      next.push_back(batch[live[row]].target[position]);
      going_on.push_back(live[row]);
    }
    live = std::move(going_on);
    if (!live.empty()) state->select(kept, kept);
  }
}

}  // namespace

std::vector<std::vector<float>> forced_scores(DecodingModel& model, const std::vector<ForcedTarget>& batch,
                                              std::int32_t start, const std::vector<std::int32_t>& head,
                                              std::int32_t end) {
  std::vector<std::vector<float>> scores(batch.size());
  read_targets(model, batch, start, head, false,
               [&](const DecodingState&, const at::Tensor& log_probabilities, const Rows& live, std::size_t position) {
                 std::vector<std::int64_t> wanted;
                 for (const std::size_t i : live) {
                   const std::vector<std::int32_t>& target = batch[i].target;
                   wanted.push_back(position < target.size() ? target[position] : end);
                 }
                 const at::Tensor ids = at::tensor(wanted, at::kLong).to(log_probabilities.device()).unsqueeze(1);
                 const at::Tensor values = log_probabilities.gather(1, ids).to(at::kCPU).contiguous();
                 for (std::size_t row = 0; row < live.size(); ++row) {
                   scores[live[row]].push_back(values.const_data_ptr<float>()[row]);
                 }
               });
  return scores;
}

std::vector<AttentionRows> forced_attention(DecodingModel& model, const std::vector<ForcedTarget>& batch,
                                            std::int32_t start, const std::vector<std::int32_t>& head) {
  std::vector<AttentionRows> attention(batch.size());
  read_targets(model, batch, start, head, true,
               [&](const DecodingState& state, const at::Tensor&, const Rows& live, std::size_t position) {
                 std::vector<std::vector<float>> rows = state.attention();
                 for (std::size_t row = 0; row < live.size(); ++row) {
                   const bool writes_text = position < batch[live[row]].target.size();
                   if (writes_text) attention[live[row]].push_back(std::move(rows[row]));
                 }
               });
  return attention;
}

}  // namespace polymoe
