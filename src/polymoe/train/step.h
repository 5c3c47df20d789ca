#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "polymoe/data/batch.h"
#include "polymoe/optim/adam.h"
#include "polymoe/optim/delayed_update.h"
#include "polymoe/optim/loss_scale.h"
#include "polymoe/parallel/parallel_model.h"

namespace polymoe {

struct RunOptions;

/// Sums over target tokens.
struct TokenLoss {
  double loss = 0.0;  ///< label-smoothed
  double nll = 0.0;
  std::int64_t tokens = 0;

  void operator+=(const TokenLoss& other);
};

/// What one update saw and did. Losses and tokens are those of this process's micro-batches; the norm is the model's.
struct StepReport {
  std::map<std::int32_t, TokenLoss> tasks;  ///< by MicroBatch::tasks
  double balance_loss = 0.0;                ///< sum over MoE layers' means, divided by the update's micro-batches
  double router_z_loss = 0.0;
  std::int64_t source_tokens = 0;
  std::int64_t all_target_tokens = 0;  ///< of the update, over all processes
  /// The load of each MoE layer's experts over the update, over all processes: [experts] int64 on the CPU; undefined
  /// where its router does not follow it.
  std::vector<at::Tensor> loads;
  UpdateReport update;

  TokenLoss total() const;
};

/// The parts that an update works on.
struct TrainState : ParallelModel {
  /// See ParallelModel.
  TrainState(const RunOptions& options, Communicator& world);

  Adam adam;
  LossScale loss_scale;
  DelayedUpdate delayed;
  std::int64_t update = 0;  ///< updates done
};

/// One update: batch -> model -> loss -> gradients -> synchronised gradients -> optimiser. With offload.delayed-update
/// the optimiser's part is that of the batch before, and goes on beside the gradients.
///
/// Of the update's train.micro-batches, micro-batch i belongs to batch rank i modulo the number of batch ranks
/// (ParallelLayout); `micro_batches` are this process's, in order. All processes call it together.
StepReport train_step(TrainState& state, const std::vector<MicroBatch>& micro_batches, const RunOptions& options,
                      double learning_rate);

/// Forward and backward of one update, without the optimiser: the gradients, times the loss scale, are then in the
/// store's own_gradients.
StepReport accumulate_gradients(TrainState& state, const std::vector<MicroBatch>& micro_batches,
                                const RunOptions& options);

/// The loss of one micro-batch without gradients and without dropout, in the layout's inference (ParameterSync). All
/// processes of the layout call it together, with the same batch. `statistics` may be null.
std::map<std::int32_t, TokenLoss> evaluate_loss(Model& model, const MicroBatch& batch, double label_smoothing,
                                                MoeStatistics* statistics);

}  // namespace polymoe
