#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "nn/context.h"
#include "nn/moe/routing.h"

namespace polymoe {

/// Slots that lie together: rows [begin, begin + count) of one expert's inputs that come from one micro-batch. Row
/// begin + i is named `first_name + i`, the same in every layout, for the random numbers that experts draw.
struct SlotSegment {
  std::int64_t expert = 0;  ///< by its number among those here
  std::int64_t begin = 0;
  std::int64_t count = 0;
  std::uint64_t micro_batch = 0;
  std::int64_t first_name = 0;
};

/// The name of the first kept assignment of an expert (by its number in the whole layer) in a micro-batch.
inline std::int64_t first_slot_name(std::int64_t expert) { return expert << 32; }

/// The inputs of the experts that live here, and what combine() needs to send their outputs back.
struct DispatchHandle {
  Routing routing;
  at::Tensor expert_inputs;           ///< [slots here, hidden], sorted by expert
  at::Tensor expert_begin;            ///< [experts here + 1] int64 on the CPU
  std::vector<SlotSegment> segments;  ///< in the order of rows; they cover all slots
  std::shared_ptr<void> exchange;     ///< the dispatcher's own
};

/// Brings tokens to their experts and the outputs back. The layer knows only this interface: whether experts are in
/// this process or spread over many is the dispatcher's affair. The backward of one call is the other.
class Dispatcher {
 public:
  virtual ~Dispatcher() = default;

  /// x [tokens, hidden] -> the inputs of the experts that live here.
  virtual DispatchHandle dispatch(const at::Tensor& x, const Routing& routing, const ForwardContext& context) = 0;

  /// outputs [slots here, hidden], weights [tokens, top_k] float32 -> [tokens, hidden].
  virtual at::Tensor combine(const DispatchHandle& handle, const at::Tensor& outputs, const at::Tensor& weights) = 0;
};

/// All experts in this process: rows are permuted, nothing is sent.
class LocalDispatcher : public Dispatcher {
 public:
  DispatchHandle dispatch(const at::Tensor& x, const Routing& routing, const ForwardContext& context) override;
  at::Tensor combine(const DispatchHandle& handle, const at::Tensor& outputs, const at::Tensor& weights) override;
};

}  // namespace polymoe
