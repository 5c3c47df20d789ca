#pragma once

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "polymoe/nn/model_axis.h"
#include "polymoe/nn/moe/routing.h"

namespace polymoe {

/// Slots that lie together: rows [begin, begin + count) of a run's inputs, of one expert and one micro-batch. Row
/// begin + i is named `first_name + i`, the same in every layout, for the random numbers that experts draw.
struct SlotSegment {
  std::int64_t expert = 0;  ///< by its number in the run
  std::int64_t begin = 0;
  std::int64_t count = 0;
  std::uint64_t micro_batch = 0;
  std::int64_t first_name = 0;
};

/// The name of the first kept assignment of an expert (by its number in the whole layer) in a micro-batch.
inline std::int64_t first_slot_name(std::int64_t expert) { return expert << 32; }

/// What a run of the experts that live here computes on.
struct ExpertInputs {
  at::Tensor rows;                    ///< [slots of the run, hidden], sorted by expert
  at::Tensor expert_begin;            ///< [experts of the run + 1] int64 on the CPU
  std::vector<SlotSegment> segments;  ///< in the order of rows; they cover all slots
  /// Routing::expert_end, where the plan is a GPU's: then it takes the place of expert_begin and segments. All experts
  /// are in the run, and each expert's slots are a segment of this micro-batch.
  at::Tensor expert_end = {};
};

/// The tokens of one micro-batch on their way to the experts and back, in runs of experts. Each run computes on its
/// own, so that the tokens of the next are on their way meanwhile, and the outputs of the last on their way back: for
/// each run receive(), the experts, send_back(); then combine().
class Dispatch {
 public:
  virtual ~Dispatch() = default;

  /// How many of the experts that live here are in each run.
  virtual std::vector<std::int64_t> runs() const = 0;

  /// The inputs of run `run`, once they are here.
  virtual ExpertInputs receive(std::size_t run) = 0;

  /// Begins to bring the outputs [slots of the run, hidden] back.
  virtual void send_back(std::size_t run, const at::Tensor& outputs) = 0;

  /// Each token's sum of its outputs, scaled by weights, float32 of the shape of the list of assignments -> [tokens,
  /// hidden]. After all runs were sent back.
  virtual at::Tensor combine(const at::Tensor& weights) = 0;
};

/// Brings tokens to their experts and the outputs back. The layer knows only this interface: whether experts are in
/// this process or spread over many is the dispatcher's affair. The backward of one call is another.
class Dispatcher {
 public:
  virtual ~Dispatcher() = default;

  /// Whether dispatch() needs Routing::plan.
  virtual bool needs_plan() const { return true; }

  /// Begins to bring x [tokens, hidden] of this micro-batch to the experts.
  virtual std::unique_ptr<Dispatch> dispatch(const at::Tensor& x, const Routing& routing,
                                             std::uint64_t micro_batch) = 0;
};

/// All experts in this process: rows are permuted, nothing is sent. With a model axis of several slices every slice has
/// all tokens, and its part of every expert.
class LocalDispatcher : public Dispatcher {
 public:
  explicit LocalDispatcher(std::shared_ptr<ModelAxis> axis = std::make_shared<ModelAxis>()) : axis_(std::move(axis)) {}
  bool needs_plan() const override { return false; }
  std::unique_ptr<Dispatch> dispatch(const at::Tensor& x, const Routing& routing, std::uint64_t micro_batch) override;

 private:
  std::shared_ptr<ModelAxis> axis_;
};

}  // namespace polymoe
