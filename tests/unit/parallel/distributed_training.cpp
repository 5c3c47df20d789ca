#include "unit/parallel/distributed_training.h"

#include <algorithm>
#include <functional>
#include <memory>
#include <mutex>

#include "polymoe/base/random.h"
#include "polymoe/checkpoint/model_checkpoint.h"
#include "polymoe/tensor/torch_headers.h"
#include "support/device.h"
#include "support/thread_communicator.h"

namespace polymoe::testing {
namespace {

// Copies what this process answers for into the full tensors.
void collect(const ParallelModel& model, at::Tensor ParameterUnit::*buffer, std::map<std::string, at::Tensor>& full) {
  for (const ParameterUnit& unit : model.store.units()) {
    at::Tensor own;
    use_buffers(model.store.files(), {{unit.*buffer, Access::kRead}},
                [&] { own = (unit.*buffer).detach().cpu().clone(); });
    for (const FlatParameter& p : unit.parameters) {
      const auto [begin, end] = model.sync.owned(unit, p);
      for (const LogicalTensor& tensor : logical_tensors(p.name, p.spec)) {
        at::Tensor& target = full[tensor.name];
        if (!target.defined()) target = at::full(tensor.shape, NAN);
        auto* to = target.mutable_data_ptr<float>();
        for (const Run& run : tensor.size > 0 ? runs_of(tensor.shard) : std::vector<Run>{}) {
          for (std::int64_t i = 0; i < run.count; ++i) {
            const std::int64_t place = tensor.offset + run.local + i;
            if (place < begin || place >= end) continue;
            float& element = to[run.logical + i];
            if (!std::isnan(element)) fail("two processes answer for an element of {}", tensor.name);
            element = own[p.offset + place - unit.shard * unit.shard_size()].item<float>();
          }
        }
      }
    }
  }
}

int processes_of(const ParallelOptions& parallel) {
  return static_cast<int>(std::max<std::int64_t>(1, parallel.data) * parallel.expert * parallel.tensor);
}

// Calls `body` for each process of a layout.
void run_processes(int processes, const std::function<void(Communicator&)>& body) {
  if (processes > 1) return run_ranks(processes, body);
  const std::unique_ptr<Communicator> alone = make_self_communicator();
  body(*alone);
}

}  // namespace

RunOptions tiny_run() {
  RunOptions options;
  options.model.vocabulary = 41;  // a prime: slices of the vocabulary are uneven
  options.model.hidden = 16;
  options.model.ffn = 32;
  options.model.heads = 4;
  options.model.encoder_layers = 2;
  options.model.decoder_layers = 2;
  options.model.max_positions = 32;
  options.model.dropout = 0.1;
  options.model.attention_dropout = 0.1;
  options.model.activation_dropout = 0.1;
  options.model.moe.experts = 4;
  options.model.moe.every = 2;
  options.model.moe.gate_noise = GateNoise::kJitter;
  options.model.moe.min_capacity = 1;
  options.model.moe.router_z_loss = 0.001;
  options.train.micro_batches = 4;
  options.train.seed = 7;
  options.optimizer.warmup_updates = 1;
  return options;
}

std::string device_of(const ParallelOptions& parallel) {
  return processes_of(parallel) == 1 ? test_device_name() : "cpu";
}

MicroBatch tiny_batch(std::int64_t update, std::int64_t number) {
  const RandomStream random(99, 1, static_cast<std::uint64_t>(update), static_cast<std::uint64_t>(number));
  std::uint64_t next = 0;
  std::vector<Example> examples(3 + random.below(next++, 4));
  for (Example& example : examples) {
    for (std::vector<std::int32_t>* side : {&example.source, &example.target}) {
      const std::uint64_t length = 2 + random.below(next++, 7);
      for (std::uint64_t i = 0; i < length; ++i)
        side->push_back(static_cast<std::int32_t>(6 + random.below(next++, 35)));
    }
    example.start = 5;
  }
  return make_micro_batch(examples, 1);
}

Outcome train_in_threads(const RunOptions& options, std::int64_t updates) {
  const int processes = processes_of(options.parallel);
  Outcome outcome;
  outcome.losses.resize(static_cast<std::size_t>(updates));
  std::vector<double> tokens(static_cast<std::size_t>(updates));
  std::mutex mutex;
  const auto by_rank = static_cast<std::size_t>(processes);
  for (auto* counts : {&outcome.dense, &outcome.experts, &outcome.slices}) counts->resize(by_rank);
  at::set_num_threads(1);
  run_processes(processes, [&](Communicator& world) {
    TrainState state(options, world);
    const ParallelLayout& layout = state.layout;
    for (std::int64_t update = 0; update < updates; ++update) {
      std::vector<MicroBatch> mine;
      for (std::int64_t i = layout.data_parallel_rank(); i < options.train.micro_batches;
           i += layout.data_parallel_size()) {
        mine.push_back(tiny_batch(update, i));
      }
      const StepReport report = train_step(state, mine, options, 1e-3);
      const std::lock_guard lock(mutex);
      if (layout.tensor_rank() == 0) {
        outcome.losses[static_cast<std::size_t>(update)] += report.total().loss;
        tokens[static_cast<std::size_t>(update)] += static_cast<double>(report.total().tokens);
      }
      if (world.rank() == 0) outcome.norms.push_back(report.update.gradient_norm);
      if (update > 0) continue;
      collect(state, &ParameterUnit::own_gradients, outcome.gradients);
      const auto rank = static_cast<std::size_t>(world.rank());
      outcome.dense[rank] = layout.dense_group().counts();
      outcome.experts[rank] = layout.expert_data_group().counts();
      outcome.slices[rank] = layout.tensor_group().counts();
    }
    const std::lock_guard lock(mutex);
    collect(state, &ParameterUnit::master, outcome.weights);
    if (state.store.keeps_averages()) collect(state, &ParameterUnit::averages, outcome.averages);
  });
  for (std::size_t update = 0; update < tokens.size(); ++update) outcome.losses[update] /= tokens[update];
  return outcome;
}

double relative_difference(const at::Tensor& got, const at::Tensor& expected) {
  const double largest = expected.abs().max().item<double>(), difference = (got - expected).abs().max().item<double>();
  return largest > 0 ? difference / largest : (difference > 0 ? INFINITY : 0.0);
}

}  // namespace polymoe::testing
