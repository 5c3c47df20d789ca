#pragma once

#include <cstdint>
#include <vector>

#include "polymoe/optim/parameter_store.h"
#include "polymoe/tensor/device_memory.h"

namespace polymoe {

/// The flat buffers that a unit may have; see ParameterUnit.
enum class BufferKind {
  kValues,
  kGradients,
  kFirstMoments,
  kSecondMoments,
  kMaster,
  kOwnGradients,
  kLateGradients,
  kAverages,
  kOwnValues
};

/// One of them. The store makes buffers from these descriptions, and the planner counts them.
struct UnitBuffer {
  BufferKind use;
  MemoryKind kind;
  Tier tier;          ///< where it lives
  std::int64_t size;  ///< elements
  bool wide;          ///< float32, whatever the parameters' element type
  bool for_work;      ///< it has memory only while its block works: where parameters or gradients are sharded or moved
};

/// Bytes of a buffer of `unit`.
std::int64_t bytes_of(const UnitBuffer& buffer, const ParameterUnit& unit);

/// The buffers of a unit that is laid out. What is not among them is a view of another: own_values of values,
/// own_gradients of gradients, master of own_values. `on_gpu`: whether the device has memory apart from the host's.
std::vector<UnitBuffer> buffers_of(const ParameterUnit& unit, const Tiers& tiers, bool on_gpu);

/// While a unit in files is in use, the one before is being written and the one behind is being read: so many times the
/// largest have memory then, besides the one in use.
inline constexpr std::int64_t kUnitsInWindow = 2;

}  // namespace polymoe
