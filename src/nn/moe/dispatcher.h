#pragma once

#include <memory>

#include "nn/moe/routing.h"

namespace polymoe {

/// The inputs of the experts that live here, and what combine() needs to send their outputs back.
struct DispatchHandle {
  Routing routing;
  at::Tensor expert_inputs;    ///< [slots here, hidden], sorted by expert
  at::Tensor expert_begin;     ///< [experts here + 1] int64 on the CPU
  at::Tensor slot_assignment;  ///< [slots here] int64 on the CPU, a name for each row, the same in every layout
};

/// Brings tokens to their experts and the outputs back. The layer knows only this interface: whether experts are in
/// this process or spread over many is the dispatcher's affair. The backward of one call is the other.
class Dispatcher {
 public:
  virtual ~Dispatcher() = default;

  /// x [tokens, hidden] -> the inputs of the experts that live here.
  virtual DispatchHandle dispatch(const at::Tensor& x, const Routing& routing) = 0;

  /// outputs [slots here, hidden], weights [tokens, top_k] float32 -> [tokens, hidden].
  virtual at::Tensor combine(const DispatchHandle& handle, const at::Tensor& outputs, const at::Tensor& weights) = 0;
};

/// All experts in this process: rows are permuted, nothing is sent.
class LocalDispatcher : public Dispatcher {
 public:
  DispatchHandle dispatch(const at::Tensor& x, const Routing& routing) override;
  at::Tensor combine(const DispatchHandle& handle, const at::Tensor& outputs, const at::Tensor& weights) override;
};

}  // namespace polymoe
