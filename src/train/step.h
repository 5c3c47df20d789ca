#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "config/options.h"
#include "data/batch.h"
#include "model/encoder_decoder.h"
#include "optim/adam.h"

namespace polymoe {

/// Sums over target tokens.
struct TokenLoss {
  double loss = 0.0;  ///< label-smoothed
  double nll = 0.0;
  std::int64_t tokens = 0;

  void operator+=(const TokenLoss& other);
};

/// What one update saw and did.
struct StepReport {
  std::map<std::int32_t, TokenLoss> tasks;  ///< by MicroBatch::tasks
  double balance_loss = 0.0;                ///< mean over micro-batches and MoE layers
  double router_z_loss = 0.0;
  std::int64_t source_tokens = 0;
  UpdateReport update;

  TokenLoss total() const;
};

/// The parts that an update works on.
struct TrainState {
  EncoderDecoder model;
  ParameterStore store;
  Adam adam;
  std::int64_t update = 0;  ///< updates done

  TrainState(EncoderDecoder model, const OptimizerOptions& options);
};

/// One update: batch -> model -> loss -> gradients -> optimiser.
StepReport train_step(TrainState& state, const std::vector<MicroBatch>& micro_batches, const RunOptions& options,
                      double learning_rate);

/// The loss of one micro-batch without gradients and without dropout. `statistics` may be null.
std::map<std::int32_t, TokenLoss> evaluate_loss(EncoderDecoder& model, const MicroBatch& batch, double label_smoothing,
                                                MoeStatistics* statistics);

}  // namespace polymoe
