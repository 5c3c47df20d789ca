#include "polymoe/train/step.h"

#include <cmath>
#include <optional>
#include <utility>

#include "polymoe/config/run_options.h"
#include "polymoe/loss/objective.h"
#include "polymoe/nn/moe/router.h"
#include "polymoe/tensor/host_copy.h"
#include "polymoe/tensor/torch_headers.h"
#include "polymoe/train/update_plan.h"

namespace polymoe {
namespace {

at::Tensor stack_of(const std::vector<at::Tensor>& losses) {
  return losses.empty() ? at::zeros({1}) : at::stack(losses);
}

// What a micro-batch gave that is reported: on its way to the host, which need not wait before the update is done.
struct MicroBatchResult {
  MicroBatchResult(const MicroBatch& from, const Objective& objective, std::vector<at::Tensor> of_layers)
      : batch(&from),
        token_loss(objective.cross_entropy.token_loss),
        token_nll(objective.cross_entropy.token_nll),
        balance_losses(stack_of(objective.balance_losses)),
        router_z_losses(stack_of(objective.router_z_losses)),
        loads(std::move(of_layers)) {}

  const MicroBatch* batch;
  HostCopy token_loss, token_nll, balance_losses, router_z_losses;
  std::vector<at::Tensor> loads;  // on their device
};

double mean_of(const HostCopy& losses) { return losses.get().to(at::kDouble).mean().item<double>(); }

// Splits the tokens' losses, on the CPU, by the task of their row.
std::map<std::int32_t, TokenLoss> losses_by_task(const at::Tensor& losses, const at::Tensor& nlls,
                                                 const MicroBatch& batch) {
  const at::Tensor loss = losses.to(at::kFloat).contiguous(), nll = nlls.to(at::kFloat).contiguous();
  const auto* token_loss = loss.const_data_ptr<float>();
  const auto* token_nll = nll.const_data_ptr<float>();
  std::map<std::int32_t, TokenLoss> tasks;
  for (std::size_t row = 0; row < batch.target_lengths.size(); ++row) {
    TokenLoss& sum = tasks[batch.tasks[row]];
    for (std::int32_t i = 0; i < batch.target_lengths[row]; ++i) {
      sum.loss += *token_loss++;
      sum.nll += *token_nll++;
    }
    sum.tokens += batch.target_lengths[row];
  }
  return tasks;
}

CrossEntropy forward(Model& model, const ModelInput& input, const ForwardContext& context, double label_smoothing,
                     double normaliser) {
  const EncodedSource encoded = model->encode(input.source, context);
  const at::Tensor states = model->decode(input.target, encoded, context);
  return projected_cross_entropy(states, model->projection(), input.labels, label_smoothing, normaliser);
}

// The own loads of all layers whose router asks for them, on their way to the host; nothing where none does.
std::optional<HostCopy> own_loads(const TrainState& state, const std::vector<MicroBatchResult>& results) {
  const std::vector<std::shared_ptr<Router>> routers = state.model->routers();
  std::vector<at::Tensor> sums;
  for (std::size_t i = 0; i < routers.size(); ++i) {
    if (!routers[i]->follows_load()) continue;
    const at::Tensor& weight = routers[i]->weight;
    const at::Tensor& sum = sums.emplace_back(at::zeros({weight.size(0)}, weight.options().dtype(at::kLong)));
    // The slices of one model have the same micro-batches: what the first slice says counts.
    if (state.layout.tensor_rank() != 0) continue;
    for (const MicroBatchResult& result : results) sum.add_(result.loads[i]);
  }
  if (sums.empty()) return std::nullopt;
  return HostCopy(at::cat(sums));
}

// StepReport::loads: sums over all processes, which are waited for here.
std::vector<at::Tensor> sum_loads(const TrainState& state, const std::optional<HostCopy>& own) {
  const std::vector<std::shared_ptr<Router>> routers = state.model->routers();
  std::vector<at::Tensor> sums(routers.size());
  if (!own) return sums;
  const at::Tensor all = own->get().clone();
  state.layout.world().all_reduce(all);
  std::int64_t begin = 0;
  for (std::size_t i = 0; i < routers.size(); ++i) {
    if (!routers[i]->follows_load()) continue;
    const std::int64_t experts = routers[i]->weight.size(0);
    sums[i] = all.narrow(0, begin, experts);
    begin += experts;
  }
  return sums;
}

void follow_loads(TrainState& state, const std::vector<at::Tensor>& loads) {
  const std::vector<std::shared_ptr<Router>> routers = state.model->routers();
  for (std::size_t i = 0; i < routers.size(); ++i) {
    if (routers[i]->follows_load()) routers[i]->follow(loads[i]);
  }
}

// The gradients of an update are on their way to own_gradients, and these to the host.
struct Accumulated {
  Normalisation normalisation;
  std::vector<MicroBatchResult> results;
  std::optional<HostCopy> loads;
};

Accumulated accumulate(TrainState& state, const std::vector<MicroBatch>& micro_batches, const RunOptions& options) {
  UpdatePlan plan = plan_update(micro_batches, options.train.micro_batches, state.layout);
  plan.normalisation.loss_scale = state.loss_scale.value();
  const MicroBatch dummy = make_dummy_batch();
  std::vector<MicroBatchResult> results;
  state.sync.begin_update();
  for (std::size_t round = 0; round < plan.rounds.size(); ++round) {
    const bool is_mine = round < micro_batches.size();
    const MicroBatch& batch = is_mine ? micro_batches[round] : dummy;
    ForwardContext context;
    context.training = true;
    context.seed = static_cast<std::uint64_t>(options.train.seed);
    context.update = static_cast<std::uint64_t>(state.update);
    context.micro_batch = round * static_cast<std::size_t>(state.layout.data_parallel_size()) +
                          static_cast<std::size_t>(state.layout.data_parallel_rank());
    context.bounds = plan.rounds[round];
    ForwardOutputs outputs;
    context.outputs = &outputs;

    state.sync.begin_micro_batch(round + 1 == plan.rounds.size());
    const ModelInput input = make_model_input(batch, state.model->projection().device());
    CrossEntropy cross_entropy =
        forward(state.model, input, context, options.train.label_smoothing, plan.normalisation.token_divisor());
    Objective objective =
        make_objective(std::move(cross_entropy), outputs, state.model->options().moe, plan.normalisation);
    (is_mine ? objective.value : objective.value * 0.0).backward();
    state.sync.end_micro_batch();
    if (is_mine) results.emplace_back(batch, objective, std::move(outputs.loads));
  }
  std::optional<HostCopy> loads = own_loads(state, results);
  return {plan.normalisation, std::move(results), std::move(loads)};
}

// Waits for what is on its way to the host.
StepReport report_of(const TrainState& state, const Accumulated& accumulated) {
  StepReport report;
  report.all_target_tokens = accumulated.normalisation.target_tokens;
  const auto micro_batches = static_cast<double>(accumulated.normalisation.micro_batches);
  for (const MicroBatchResult& result : accumulated.results) {
    for (const auto& [task, loss] : losses_by_task(result.token_loss.get(), result.token_nll.get(), *result.batch)) {
      report.tasks[task] += loss;
    }
    report.balance_loss += mean_of(result.balance_losses) / micro_batches;
    report.router_z_loss += mean_of(result.router_z_losses) / micro_batches;
    report.source_tokens += result.batch->source_tokens();
  }
  report.loads = sum_loads(state, accumulated.loads);
  return report;
}

}  // namespace

void TokenLoss::operator+=(const TokenLoss& other) {
  loss += other.loss;
  nll += other.nll;
  tokens += other.tokens;
}

TokenLoss StepReport::total() const {
  TokenLoss sum;
  for (const auto& [task, loss] : tasks) sum += loss;
  return sum;
}

TrainState::TrainState(const RunOptions& options, Communicator& world)
    : ParallelModel(options, world),
      adam(store, options.optimizer, options.train.ema),
      loss_scale(options.train),
      delayed(store, adam) {}

StepReport accumulate_gradients(TrainState& state, const std::vector<MicroBatch>& micro_batches,
                                const RunOptions& options) {
  return report_of(state, accumulate(state, micro_batches, options));
}

StepReport train_step(TrainState& state, const std::vector<MicroBatch>& micro_batches, const RunOptions& options,
                      double learning_rate) {
  if (options.offload.delayed_update) state.delayed.start();
  const Accumulated accumulated = accumulate(state, micro_batches, options);
  UpdateReport update;
  const double loss_scale = state.loss_scale.value(), norm = state.sync.gradient_norm() / loss_scale;
  if (options.offload.delayed_update) {
    if (state.delayed.finish()) state.sync.all_gather_all();
    update = {norm, !std::isfinite(norm)};
    if (!update.skipped) state.delayed.keep(learning_rate, norm, loss_scale);
  } else {
    const auto all_gather = [&](const ParameterUnit& unit) { state.sync.all_gather(unit); };
    update = state.adam.update(learning_rate, norm, loss_scale, all_gather);
    state.sync.end_all_gathers();
  }
  // Only now: a GPU has the optimiser's work to do while the host reads.
  StepReport report = report_of(state, accumulated);
  report.update = update;
  if (!update.skipped) follow_loads(state, report.loads);
  state.loss_scale.follow(update.skipped);
  ++state.update;
  return report;
}

std::map<std::int32_t, TokenLoss> evaluate_loss(Model& model, const MicroBatch& batch, double label_smoothing,
                                                MoeStatistics* statistics) {
  const at::NoGradGuard no_grad;
  ForwardContext context;
  ForwardOutputs outputs;
  outputs.statistics = statistics;
  context.outputs = &outputs;
  const ModelInput input = make_model_input(batch, model->projection().device());
  const CrossEntropy losses = forward(model, input, context, label_smoothing, 1.0);
  return losses_by_task(losses.token_loss.to(at::kCPU), losses.token_nll.to(at::kCPU), batch);
}

}  // namespace polymoe
