#include "bench/call_counts.h"

#include <cstdint>
#include <cstdlib>
#include <set>
#include <string>

#include <torch/csrc/autograd/profiler_kineto.h>
#include <nlohmann/json.hpp>

#include "nn/torch_headers.h"

namespace polymoe::bench {

nlohmann::json count_calls(const at::Device& device, const std::function<void()>& f) {
  namespace profiler = torch::autograd::profiler;
  setenv("KINETO_LOG_LEVEL", "99", /*overwrite=*/0);  // or the profiler writes on stderr that it begins and ends
  const profiler::ProfilerConfig config(profiler::ProfilerState::KINETO);
  std::set<profiler::ActivityType> activities{profiler::ActivityType::CPU};
  if (!device.is_cpu()) activities.insert(profiler::ActivityType::CUDA);
  profiler::prepareProfiler(config, activities);
  profiler::enableProfiler(config, activities);
  f();
  const auto result = profiler::disableProfiler();

  std::int64_t launches = 0, synchronizations = 0, copies = 0;
  for (const profiler::KinetoEvent& event : result->events()) {
    const std::string name = event.name();
    if (!name.starts_with("cuda") && !name.starts_with("cu")) continue;
    const std::string call = name.substr(name.starts_with("cuda") ? 4 : 2);
    const bool moves = call.starts_with("Memcpy") || call.starts_with("Memset");
    const bool waits = call.find("Async") == std::string::npos;
    launches += call.starts_with("LaunchKernel") ? 1 : 0;
    copies += moves && !waits ? 1 : 0;
    synchronizations += (moves && waits) || call.starts_with("StreamSynchronize") ||
                                call.starts_with("EventSynchronize") || call.starts_with("DeviceSynchronize")
                            ? 1
                            : 0;
  }
  if (!device.is_cpu() && launches == 0) return nullptr;
  return {{"launches", launches}, {"synchronizations", synchronizations}, {"copies", copies}};
}

}  // namespace polymoe::bench
