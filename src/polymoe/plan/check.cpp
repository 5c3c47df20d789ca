#include "polymoe/plan/check.h"

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include <fmt/core.h>

#include "polymoe/base/error.h"
#include "polymoe/config/run_options.h"
#include "polymoe/plan/memory.h"

namespace polymoe {
namespace {

std::string gigabytes(std::int64_t bytes) { return fmt::format("{:.3f} GB", static_cast<double>(bytes) / 1e9); }

bool over(std::int64_t bytes, std::int64_t limit) { return limit > 0 && bytes > limit; }

bool fits(const MemoryPlan& plan, const MemoryLimits& limits) {
  return !over(plan.device(), limits.device) && !over(plan.host_peak(), limits.host) &&
         !over(plan.together(), limits.together);
}

std::string consumers(const MemoryPlan& plan) {
  std::vector<std::pair<std::int64_t, const char*>> parts{
      {plan.weights, "parameters"}, {plan.gradients, "gradients"}, {plan.optimizer, "optimizer"}};
  std::sort(parts.rbegin(), parts.rend());
  std::string text;
  for (const auto& [bytes, name] : parts) {
    if (bytes > 0) text += fmt::format("{}{} {}", text.empty() ? "" : ", ", name, gigabytes(bytes));
  }
  return text;
}

struct Remedy {
  const char* text;
  bool recompute;
  std::optional<Tier> tier;  // none: as it is
};
constexpr Remedy kRemedies[] = {
    {"--parallel.recompute", true, std::nullopt},
    {"--parallel.zero-stage 3 with --offload.optimizer, .gradients and .parameters host", false, Tier::kHost},
    {"--parallel.recompute and --parallel.zero-stage 3 with --offload.optimizer, .gradients and .parameters host", true,
     Tier::kHost},
    {"--parallel.zero-stage 3 with --offload.optimizer, .gradients and .parameters file", false, Tier::kFile},
    {"--parallel.recompute and --parallel.zero-stage 3 with --offload.optimizer, .gradients and .parameters file", true,
     Tier::kFile}};

std::string remedy_for(const RunOptions& options, const Degrees& degrees, const MemoryLimits& limits) {
  for (const Remedy& remedy : kRemedies) {
    RunOptions changed = options;
    changed.parallel.recompute = options.parallel.recompute || remedy.recompute;
    if (remedy.tier) {
      changed.parallel.zero_stage = 3;
      changed.offload.optimizer = changed.offload.gradients = changed.offload.parameters = *remedy.tier;
      if (remedy.tier == Tier::kFile) changed.offload.delayed_update = false;
    }
    if (!fits(plan_memory(changed, degrees), limits)) continue;
    const bool stops_delay = options.offload.delayed_update && !changed.offload.delayed_update;
    return fmt::format("{}{} should fit", remedy.text, stops_delay ? ", without --offload.delayed-update," : "");
  }
  return "no way to keep the state elsewhere makes it fit; use more processes, a smaller model or smaller batches";
}

}  // namespace

std::string check_memory(const RunOptions& options, const Degrees& degrees, const MemoryLimits& limits) {
  const MemoryPlan plan = plan_memory(options, degrees);
  const auto refuse = [&](const std::string& what) { throw Error(what, {}, remedy_for(options, degrees, limits)); };
  if (over(plan.state(), limits.device)) {
    refuse(fmt::format("train.device-memory: over {}: the state of a process alone takes {}", gigabytes(limits.device),
                       consumers(plan)));
  }
  if (over(plan.host, limits.host)) {
    refuse(fmt::format("train.host-memory: over {}: the state of a process alone takes {}", gigabytes(limits.host),
                       gigabytes(plan.host)));
  }
  if (over(plan.state() + plan.host, limits.together)) {
    refuse(fmt::format("out of memory: the state of a process alone takes {}, and {} are there for it",
                       gigabytes(plan.state() + plan.host), gigabytes(limits.together)));
  }
  if (fits(plan, limits)) return {};
  return fmt::format("memory may not suffice: {} of the device and {} of the host are predicted for a process; {}",
                     gigabytes(plan.device()), gigabytes(plan.host_peak()), remedy_for(options, degrees, limits));
}

}  // namespace polymoe
