#include "train/window.h"

#include "nn/torch_headers.h"

namespace polymoe {

void Window::add(const StepReport& report, double step_seconds) {
  for (const auto& [task, loss] : report.tasks) tasks[task] += loss;
  balance_loss += report.balance_loss;
  if (report.update.skipped) {
    ++skipped;
  } else {
    gradient_norm += report.update.gradient_norm;
  }
  seconds += step_seconds;
  all_target_tokens += report.all_target_tokens;
  ++updates;
}

TokenLoss Window::total() const {
  TokenLoss sum;
  for (const auto& [task, loss] : tasks) sum += loss;
  return sum;
}

Window Window::over_all(const ParallelLayout& layout, std::size_t num_tasks) const {
  // The slices of one model have the same micro-batches: the first one's count.
  const bool counts = layout.model_rank() == 0;
  const auto end = static_cast<std::int32_t>(num_tasks);
  std::vector<double> sums;
  for (std::int32_t task = 0; task < end; ++task) {
    const auto found = tasks.find(task);
    const TokenLoss loss = found == tasks.end() || !counts ? TokenLoss{} : found->second;
    sums.insert(sums.end(), {loss.loss, loss.nll, static_cast<double>(loss.tokens)});
  }
  sums.push_back(counts ? balance_loss : 0.0);
  for (const auto& [group, sent] : traffic) sums.insert(sums.end(), {static_cast<double>(sent.bytes), sent.seconds});
  const at::Tensor all = at::tensor(sums, at::kDouble);
  layout.world().all_reduce(all);

  Window window = *this;
  window.tasks.clear();
  const auto* sum = all.const_data_ptr<double>();
  for (std::int32_t task = 0; task < end; ++task, sum += 3) {
    if (sum[2] > 0) window.tasks[task] = {sum[0], sum[1], static_cast<std::int64_t>(sum[2])};
  }
  window.balance_loss = *sum++;
  const auto processes = static_cast<double>(layout.world().size());
  for (auto& [group, sent] : window.traffic) {
    sent.bytes = static_cast<std::int64_t>(*sum++ / processes);
    sent.seconds = *sum++ / processes;
  }
  return window;
}

std::map<std::string, Traffic> traffic_of(const std::vector<Communicator*>& groups) {
  std::map<std::string, Traffic> traffic;
  for (const Communicator* group : groups) {
    Traffic& sum = traffic[group->name()];
    for (const CollectiveCount& count : group->counts()) sum.bytes += count.bytes;
    sum.seconds += group->seconds();
  }
  return traffic;
}

}  // namespace polymoe
