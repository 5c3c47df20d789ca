#include "train/window.h"

#include <vector>

#include "data/task.h"
#include "nn/torch_headers.h"

namespace polymoe {

void Window::add(const StepReport& report, double step_seconds) {
  for (const auto& [task, loss] : report.tasks) tasks[task] += loss;
  balance_loss += report.balance_loss;
  gradient_norm += report.update.gradient_norm;
  seconds += step_seconds;
  ++updates;
}

TokenLoss Window::total() const {
  TokenLoss sum;
  for (const auto& [task, loss] : tasks) sum += loss;
  return sum;
}

Window Window::over_all(Communicator& world, bool counts) const {
  const auto num_tasks = static_cast<std::int32_t>(task_names().size());
  std::vector<double> sums;
  for (std::int32_t task = 0; task < num_tasks; ++task) {
    const auto found = tasks.find(task);
    const TokenLoss loss = found == tasks.end() ? TokenLoss{} : found->second;
    sums.insert(sums.end(), {loss.loss, loss.nll, static_cast<double>(loss.tokens)});
  }
  sums.push_back(balance_loss);
  const at::Tensor all = at::tensor(sums, at::kDouble) * (counts ? 1.0 : 0.0);
  world.all_reduce(all);

  Window window = *this;
  window.tasks.clear();
  const auto* sum = all.const_data_ptr<double>();
  for (std::int32_t task = 0; task < num_tasks; ++task, sum += 3) {
    if (sum[2] > 0) window.tasks[task] = {sum[0], sum[1], static_cast<std::int64_t>(sum[2])};
  }
  window.balance_loss = *sum;
  return window;
}

}  // namespace polymoe
