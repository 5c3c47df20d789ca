#pragma once

#include <memory>
#include <vector>

#include <torch/nn/pimpl.h>

#include "polymoe/config/model_options.h"
#include "polymoe/model/input.h"
#include "polymoe/nn/context.h"
#include "polymoe/nn/key_value_cache.h"
#include "polymoe/nn/parameter_module.h"
#include "polymoe/nn/partition.h"
#include "polymoe/nn/projection.h"

namespace polymoe {

class Router;

/// The encoder's output for a micro-batch.
struct EncodedSource {
  at::Tensor memory;  ///< [source tokens, hidden] packed
  Packing packing;
};

/// What a decoder layer keeps between decoding steps.
struct LayerCache {
  KeyValueCache self;   ///< rows are hypotheses
  KeyValueCache cross;  ///< rows are sentences
};

/// What decoding keeps between steps.
struct DecoderState {
  std::vector<LayerCache> layers;
  at::Tensor source_mask;     ///< [sentences, 1, 1, source length] or undefined
  std::int64_t position = 0;  ///< of the token that comes next

  /// Keeps these hypotheses [count] int64, in this order; they stay with their sentences.
  void select_hypotheses(const at::Tensor& hypotheses);
  /// Keeps these sentences [count] int64. The self-attention caches are select_hypotheses()' affair.
  void select_sentences(const at::Tensor& sentences);
};

/// A model as training, checkpoints and decoding know it: what turns a source and a target's beginning into states of
/// which a projection makes logits. It knows nothing of ranks: a partition says which part of it is here, and hides
/// where the rest is. A family of models derives from it and has its line in make_model().
class ModelImpl : public ParameterModule {
 public:
  explicit ModelImpl(ModelOptions options) : options_(std::move(options)) {}

  virtual EncodedSource encode(const TokenInput& source, const ForwardContext& context) = 0;
  /// The decoder's final states [target tokens, hidden]; projection() makes the vocabulary's logits of them.
  virtual at::Tensor decode(const TokenInput& target, const EncodedSource& source, const ForwardContext& context) = 0;

  /// Starts decoding step by step.
  virtual DecoderState start(const EncodedSource& source) = 0;
  /// One step: ids [hypotheses] int64 -> final states [hypotheses, hidden]. Every sentence has the same number of
  /// hypotheses, and they lie together.
  virtual at::Tensor step(const at::Tensor& ids, DecoderState& state, const ForwardContext& context) = 0;

  /// The output projection, or the slice of it that is here.
  virtual Projection projection() const = 0;

  const ModelOptions& options() const { return options_; }
  /// Those of the MoE layers, in the order in which the layers run.
  std::vector<std::shared_ptr<Router>> routers() const;

  /// Moves the weights to this precision; norms and gates stay in float32.
  void set_precision(at::ScalarType precision);

 private:
  ModelOptions options_;
};
TORCH_MODULE(Model);

/// The model that the options describe. options.vocabulary must be set. Parameters are not initialised; see
/// initialize().
Model make_model(const ModelOptions& options, const Partition& partition = {});

/// Parameters of the whole model, wherever its parts are: all, and those that one token meets (top-k experts of each
/// MoE layer).
struct ParameterCount {
  std::int64_t total = 0;
  std::int64_t active = 0;
};
ParameterCount count_parameters(const ModelImpl& model);

}  // namespace polymoe
