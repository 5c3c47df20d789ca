#include "polymoe/train/window.h"

#include <limits>

#include <nlohmann/json.hpp>

#include "polymoe/tensor/torch_headers.h"

namespace polymoe {
namespace {

// JSON has no numbers that are not finite, which a skipped update leaves.
double number_or_nan(const nlohmann::json& number) {
  return number.is_null() ? std::numeric_limits<double>::quiet_NaN() : number.get<double>();
}

// What processes count apart; the rest is the same in all.
void clear_own_part(Window& window) {
  window.tasks.clear();
  window.balance_loss = 0.0;
  for (auto& [group, sent] : window.traffic) sent = {};
}

}  // namespace

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
  const bool counts = layout.tensor_rank() == 0;
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
  for (auto& [group, sent] : window.traffic) {
    sent.bytes = static_cast<std::int64_t>(*sum++);
    sent.seconds = *sum++;
  }
  return window;
}

void Window::move_to_first(const ParallelLayout& layout, std::size_t num_tasks) {
  *this = over_all(layout, num_tasks);
  if (layout.world().rank() != 0) clear_own_part(*this);
}

nlohmann::json to_json(const Window& window) {
  nlohmann::json tasks = nlohmann::json::array(), traffic = nlohmann::json::object();
  for (const auto& [task, loss] : window.tasks) tasks.push_back({task, loss.loss, loss.nll, loss.tokens});
  for (const auto& [group, sent] : window.traffic) traffic[group] = {sent.bytes, sent.seconds};
  return {{"tasks", tasks},
          {"balance_loss", window.balance_loss},
          {"gradient_norm", window.gradient_norm},
          {"skipped", window.skipped},
          {"updates", window.updates},
          {"seconds", window.seconds},
          {"target_tokens", window.all_target_tokens},
          {"traffic", traffic}};
}

Window window_from_json(const nlohmann::json& json, bool is_first) {
  Window window;
  for (const nlohmann::json& task : json.at("tasks")) {
    window.tasks[task.at(0).get<std::int32_t>()] = {number_or_nan(task.at(1)), number_or_nan(task.at(2)),
                                                    task.at(3).get<std::int64_t>()};
  }
  window.balance_loss = number_or_nan(json.at("balance_loss"));
  window.gradient_norm = number_or_nan(json.at("gradient_norm"));
  window.skipped = json.at("skipped").get<std::int64_t>();
  window.updates = json.at("updates").get<std::int64_t>();
  window.seconds = json.at("seconds").get<double>();
  window.all_target_tokens = json.at("target_tokens").get<std::int64_t>();
  for (const auto& [group, sent] : json.at("traffic").items()) {
    window.traffic[group] = {sent.at(0).get<std::int64_t>(), sent.at(1).get<double>()};
  }
  if (!is_first) clear_own_part(window);
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
