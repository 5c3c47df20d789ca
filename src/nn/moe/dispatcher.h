#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "nn/context.h"
#include "nn/moe/routing.h"

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

/// Tokens on their way to the experts that live here, and what it takes to bring the outputs back.
struct DispatchHandle {
  Routing routing;
  std::vector<std::int64_t> runs{};  ///< of experts, each computing on its own: how many are in each
  std::shared_ptr<void> exchange;    ///< the dispatcher's own
};

/// Brings tokens to their experts and the outputs back. The layer knows only this interface: whether experts are in
/// this process or spread over many is the dispatcher's affair. The backward of one call is another.
///
/// Experts may compute in several runs, so that the tokens of the next are on their way meanwhile, and the outputs of
/// the last on their way back: dispatch(); for each run receive(), experts, send_back(); combine().
class Dispatcher {
 public:
  virtual ~Dispatcher() = default;

  /// Whether dispatch() needs Routing::plan.
  virtual bool needs_plan() const { return true; }

  /// Begins to bring x [tokens, hidden] to the experts.
  virtual DispatchHandle dispatch(const at::Tensor& x, const Routing& routing, const ForwardContext& context) = 0;

  /// The inputs of run `run`, once they are here.
  virtual ExpertInputs receive(const DispatchHandle& handle, std::size_t run, const ForwardContext& context) = 0;

  /// Begins to bring the outputs [slots of the run, hidden] back; combine() takes what this returns.
  virtual at::Tensor send_back(const DispatchHandle& handle, std::size_t run, const at::Tensor& outputs) = 0;

  /// Of every run what send_back() returned, weights [tokens, top_k] float32 -> [tokens, hidden].
  virtual at::Tensor combine(const DispatchHandle& handle, const std::vector<at::Tensor>& sent_back,
                             const at::Tensor& weights) = 0;
};

/// All experts in this process: rows are permuted, nothing is sent.
class LocalDispatcher : public Dispatcher {
 public:
  bool needs_plan() const override { return false; }
  DispatchHandle dispatch(const at::Tensor& x, const Routing& routing, const ForwardContext& context) override;
  ExpertInputs receive(const DispatchHandle& handle, std::size_t run, const ForwardContext& context) override;
  at::Tensor send_back(const DispatchHandle& handle, std::size_t run, const at::Tensor& outputs) override;
  at::Tensor combine(const DispatchHandle& handle, const std::vector<at::Tensor>& sent_back,
                     const at::Tensor& weights) override;
};

}  // namespace polymoe
