#include "polymoe/nn/moe/capacity.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "polymoe/config/moe_options.h"
#include "polymoe/kernels/cuda/routing.h"

namespace polymoe {

double capacity_factor_at(const MoeOptions& options, std::uint64_t update) {
  if (options.final_capacity_factor == 0) return options.capacity_factor;
  const double way = std::min(1.0, static_cast<double>(update) / static_cast<double>(options.capacity_updates));
  return options.capacity_factor + way * (options.final_capacity_factor - options.capacity_factor);
}

std::int64_t expert_capacity(const MoeOptions& options, std::int64_t tokens, bool training, std::uint64_t update) {
  if (options.capacity == CapacityKind::kDropless) return 0;
  const double factor = training ? capacity_factor_at(options, update) : options.eval_capacity_factor;
  const double share = static_cast<double>(options.top_k * tokens) * factor / static_cast<double>(options.experts);
  // Factors are decimals, as people write them: a share that is whole but for rounding is whole. 200 * 1.1 / 4 is 55.
  constexpr double kRounding = 4 * std::numeric_limits<double>::epsilon();
  // A capacity of 0 would mean "no limit" to the planner; an expert always has room for one token.
  return std::max<std::int64_t>(
      {1, options.min_capacity, static_cast<std::int64_t>(std::ceil(share * (1 - kRounding)))});
}

std::int64_t most_slots(const MoeOptions& options, std::int64_t tokens, bool training, std::uint64_t update) {
  const std::int64_t capacity = expert_capacity(options, tokens, training, update);
  if (options.router == RouterKind::kExpertChoice) return options.experts * std::min(capacity, tokens);
  return kernels::cuda::most_slots(options.top_k * tokens, options.experts, capacity);
}

}  // namespace polymoe
