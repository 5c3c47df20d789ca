#include "polymoe/optim/unit_buffers.h"

#include <c10/core/ScalarType.h>

namespace polymoe {
namespace {

c10::ScalarType element_of(const ParameterUnit& unit) { return unit.parameters.front().parameter.scalar_type(); }

// Adam updates the weights where they are, unless they are of lower precision, in other memory than its moments, or
// needed as they were while the next update's gradients are computed.
bool has_master(const ParameterUnit& unit, const Tiers& tiers, bool on_gpu) {
  const Tier values = unit.stage >= 3 ? tiers.parameters : Tier::kDevice;
  const bool apart = on_gpu && (values == Tier::kDevice) != (tiers.optimizer == Tier::kDevice);
  return element_of(unit) != c10::kFloat || tiers.keeps_late_gradients || apart;
}

}  // namespace

std::int64_t bytes_of(const UnitBuffer& buffer, const ParameterUnit& unit) {
  return buffer.size * static_cast<std::int64_t>(c10::elementSize(buffer.wide ? c10::kFloat : element_of(unit)));
}

std::vector<UnitBuffer> buffers_of(const ParameterUnit& unit, const Tiers& tiers, bool on_gpu) {
  const std::int64_t own = unit.shard_size();
  std::vector<UnitBuffer> buffers;
  const auto add = [&](BufferKind use, MemoryKind kind, Tier tier, std::int64_t size, bool wide,
                       bool for_work = false) {
    buffers.push_back({use, kind, tier, size, wide, for_work});
  };
  const auto add_optimizer = [&](BufferKind use) { add(use, MemoryKind::kOptimizer, tiers.optimizer, own, true); };
  add(BufferKind::kValues, MemoryKind::kParameters, Tier::kDevice, unit.size, false, unit.stage >= 3);
  const bool narrow = tiers.narrow_gradients && element_of(unit) == c10::kBFloat16;
  add(BufferKind::kGradients, MemoryKind::kGradients, Tier::kDevice, unit.size, !narrow, unit.stage >= 2);
  if (unit.stage >= 3) add(BufferKind::kOwnValues, MemoryKind::kParameters, tiers.parameters, own, false);
  add_optimizer(BufferKind::kFirstMoments);
  add_optimizer(BufferKind::kSecondMoments);
  if (has_master(unit, tiers, on_gpu)) add_optimizer(BufferKind::kMaster);
  if (tiers.averages) add_optimizer(BufferKind::kAverages);
  if (unit.stage >= 1) {
    const Tier tier = unit.stage >= 2 ? tiers.gradients : Tier::kDevice;
    add(BufferKind::kOwnGradients, MemoryKind::kGradients, tier, own, true);
  }
  if (tiers.keeps_late_gradients) add(BufferKind::kLateGradients, MemoryKind::kGradients, Tier::kHost, own, true);
  return buffers;
}

}  // namespace polymoe
