#include "train/step.h"

#include <utility>

#include "loss/objective.h"
#include "nn/torch_headers.h"

namespace polymoe {
namespace {

// Splits the tokens' losses by the task of their row.
std::map<std::int32_t, TokenLoss> losses_by_task(const CrossEntropy& cross_entropy, const MicroBatch& batch) {
  const at::Tensor loss = cross_entropy.token_loss.to(at::kCPU, at::kFloat).contiguous();
  const at::Tensor nll = cross_entropy.token_nll.to(at::kCPU, at::kFloat).contiguous();
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

CrossEntropy forward(EncoderDecoder& model, const ModelInput& input, ForwardContext& context, double label_smoothing,
                     double normaliser) {
  const EncodedSource encoded = model->encode(input.source, context);
  const at::Tensor states = model->decode(input.target, encoded, context);
  return projected_cross_entropy(states, model->projection(), input.labels, label_smoothing, normaliser);
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

TrainState::TrainState(EncoderDecoder new_model, const OptimizerOptions& options)
    : model(std::move(new_model)), store(*model), adam(store, options) {}

StepReport train_step(TrainState& state, const std::vector<MicroBatch>& micro_batches, const RunOptions& options,
                      double learning_rate) {
  StepReport report;
  Normalisation normalisation{0, static_cast<std::int64_t>(micro_batches.size())};
  for (const MicroBatch& batch : micro_batches) normalisation.target_tokens += batch.target_tokens();

  state.store.zero_gradients();
  for (std::size_t i = 0; i < micro_batches.size(); ++i) {
    const MicroBatch& batch = micro_batches[i];
    ForwardContext context;
    context.training = true;
    context.seed = static_cast<std::uint64_t>(options.train.seed);
    context.update = static_cast<std::uint64_t>(state.update);
    context.micro_batch = i;

    const ModelInput input = make_model_input(batch, state.model->projection().device());
    CrossEntropy cross_entropy = forward(state.model, input, context, options.train.label_smoothing,
                                         static_cast<double>(normalisation.target_tokens));
    const Objective objective =
        make_objective(std::move(cross_entropy), context, state.model->options().moe, normalisation);
    objective.value.backward();
    state.store.collect_gradients();

    for (const auto& [task, loss] : losses_by_task(objective.cross_entropy, batch)) report.tasks[task] += loss;
    report.balance_loss += objective.balance_loss / static_cast<double>(normalisation.micro_batches);
    report.router_z_loss += objective.router_z_loss / static_cast<double>(normalisation.micro_batches);
    report.source_tokens += batch.source_tokens();
  }
  report.update = state.adam.update(learning_rate);
  ++state.update;
  return report;
}

std::map<std::int32_t, TokenLoss> evaluate_loss(EncoderDecoder& model, const MicroBatch& batch, double label_smoothing,
                                                MoeStatistics* statistics) {
  const at::NoGradGuard no_grad;
  ForwardContext context;
  context.statistics = statistics;
  const ModelInput input = make_model_input(batch, model->projection().device());
  return losses_by_task(forward(model, input, context, label_smoothing, 1.0), batch);
}

}  // namespace polymoe
