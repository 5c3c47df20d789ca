#pragma once

#include <memory>
#include <vector>

#include "polymoe/model/model.h"
#include "polymoe/optim/parameter_store.h"
#include "polymoe/parallel/layout.h"
#include "polymoe/parallel/parameter_sync.h"
#include "polymoe/parallel/unit_runner.h"

namespace polymoe {

struct RunOptions;

/// The part of the model that `options` describe which `partition` says, in train.precision, on the host and without
/// memory (OnMetaDevice).
Model make_model(const RunOptions& options, const Partition& partition);
/// Where state lives (offload.*), with so many copies of each parameter.
Tiers make_tiers(const RunOptions& options, const Sharding& copies);

/// A model in its layout: this process's part of it, its parameters in flat buffers, and what keeps them in step with
/// those of the other processes. On a single process that is the whole model, and nothing is ever sent.
class ParallelModel {
 public:
  /// Builds the model that `options` describe (model.vocabulary is set), with initial values from train.seed, in
  /// train.precision on train.device. All members of `world`, which must outlive this, call it together. Throws Error
  /// for options that the number of processes does not allow, before anything is allocated.
  ParallelModel(const RunOptions& options, Communicator& world);

  ParallelLayout layout;

  /// All that anything is sent in: the layout's groups, and those within the exchange of tokens.
  std::vector<Communicator*> groups;

 private:
  std::shared_ptr<UnitRunner> runner_;

 public:
  /// Where a moving average of the weights is kept (train.ema): the model computes with it until the next call, which
  /// brings the weights back. All processes call it together.
  void swap_averages();

  Model model;
  ParameterStore store;
  ParameterSync sync;
};

}  // namespace polymoe
