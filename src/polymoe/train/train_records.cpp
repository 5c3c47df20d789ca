#include "polymoe/train/train_records.h"

#include <algorithm>
#include <ctime>

#include "polymoe/base/memory.h"
#include "polymoe/config/describe.h"
#include "polymoe/tensor/torch_headers.h"

namespace polymoe {
namespace {

double now() { return static_cast<double>(std::time({})); }

// Bytes and seconds of each process and update; the whole numbers are those of integer division.
void add_communication(TrainRecord& record, const Window& all, int processes) {
  double waited = 0.0;
  for (const auto& [group, sent] : all.traffic) {
    const double seconds = sent.seconds / processes;
    const auto bytes = sent.bytes / processes / all.updates;
    record.communication[group] = {.bytes = static_cast<double>(bytes),
                                   .seconds = seconds / static_cast<double>(all.updates)};
    waited += seconds;
  }
  record.communication_share = waited / all.seconds;
}

}  // namespace

RunRecord run_record(const RunState& run, const TrainSetup& setup) {
  const ParameterCount count = count_parameters(*run.train.model);
  RunRecord record;
  record.time = now();
  record.parameters = static_cast<double>(count.total);
  record.active_parameters = static_cast<double>(count.active);
  record.state_bytes = static_cast<double>(run.train.store.bytes().total());
  record.file_bytes = static_cast<double>(run.train.store.bytes().files);
  record.languages = setup.dataset.languages();
  for (const Direction& direction : training_directions(setup.stream)) record.directions.push_back(direction.name());
  for (const auto& [key, value] : values_of(setup.options)) record.config.emplace_back(key, value);
  return record;
}

std::map<std::string, double> memory_peaks(const DeviceMemory& memory, Communicator& world) {
  std::vector<std::int64_t> bytes{static_cast<std::int64_t>(peak_resident_bytes()), total_of(memory.peak()),
                                  memory.host_peak()};
  bytes.insert(bytes.end(), memory.peak().begin(), memory.peak().end());
  const at::Tensor most = at::tensor(bytes, at::kLong);
  world.all_reduce(most, ReduceOp::kMax);
  const auto* value = most.const_data_ptr<std::int64_t>();
  std::map<std::string, double> peaks;
  for (const char* name : {"process", "device", "host"}) peaks[name] = static_cast<double>(*value++);
  for (std::size_t kind = 0; kind < kNumMemoryKinds; ++kind) {
    peaks[memory_kind_name(static_cast<MemoryKind>(kind))] = static_cast<double>(*value++);
  }
  return peaks;
}

TrainRecord train_record(const Window& all, const RunState& run, const TrainSetup& setup, double learning_rate) {
  const std::vector<std::string> names = task_names(setup.dataset.vocabulary());
  const TokenLoss total = all.total();
  const auto tokens = static_cast<double>(total.tokens), updates = static_cast<double>(all.updates);
  TrainRecord record;
  record.update = static_cast<double>(run.train.update);
  record.time = now();
  record.seconds = run.counters.seconds;
  record.cpu_seconds = run.counters.cpu_seconds;
  record.loss = total.loss / tokens;
  record.nll = total.nll / tokens;
  record.learning_rate = learning_rate;
  record.gradient_norm = all.gradient_norm / std::max(1.0, updates - static_cast<double>(all.skipped));
  record.tokens = static_cast<double>(run.counters.target_tokens);
  record.tokens_per_second = tokens / all.seconds;
  for (const auto& [task, loss] : all.tasks) {
    const auto task_tokens = static_cast<double>(loss.tokens);
    record.tasks[names.at(static_cast<std::size_t>(task))] = {.loss = loss.loss / task_tokens,
                                                              .nll = loss.nll / task_tokens};
  }
  if (run.counters.skipped_updates > 0) record.skipped_updates = static_cast<double>(run.counters.skipped_updates);
  if (run.train.loss_scale.is_dynamic()) record.loss_scale = run.train.loss_scale.value();
  if (setup.options.model.moe.experts > 0) record.balance_loss = all.balance_loss / updates;
  if (setup.world.size() > 1) add_communication(record, all, setup.world.size());
  return record;
}

}  // namespace polymoe
