#include "bench/call_counts.h"

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <torch/csrc/autograd/profiler_kineto.h>
#include <nlohmann/json.hpp>

#include "bench/device.h"
#include "polymoe/tensor/torch_headers.h"

namespace polymoe::bench {

namespace {

struct KernelTime {
  std::int64_t calls = 0;
  double milliseconds = 0.0;
};

// [[name, calls, milliseconds], ...], the longest first, and the rest in one line.
nlohmann::json longest_of(const std::map<std::string, KernelTime>& kernels) {
  constexpr std::size_t kMost = 40, kNameLength = 160;
  std::vector<std::pair<std::string, KernelTime>> sorted(kernels.begin(), kernels.end());
  std::sort(sorted.begin(), sorted.end(),
            [](const auto& a, const auto& b) { return a.second.milliseconds > b.second.milliseconds; });
  nlohmann::json lines = nlohmann::json::array();
  KernelTime rest;
  for (std::size_t i = 0; i < sorted.size(); ++i) {
    const auto& [name, time] = sorted[i];
    if (i < kMost) {
      lines.push_back({name.substr(0, kNameLength), time.calls, time.milliseconds});
    } else {
      rest.calls += time.calls;
      rest.milliseconds += time.milliseconds;
    }
  }
  if (rest.calls > 0) lines.push_back({"others", rest.calls, rest.milliseconds});
  return lines;
}

}  // namespace

nlohmann::json count_calls(const at::Device& device, const std::function<void()>& f) {
  namespace profiler = torch::autograd::profiler;
  setenv("KINETO_LOG_LEVEL", "99", /*overwrite=*/0);  // or the profiler writes on stderr that it begins and ends
  const profiler::ProfilerConfig config(profiler::ProfilerState::KINETO);
  std::set<profiler::ActivityType> activities{profiler::ActivityType::CPU};
  if (!device.is_cpu()) activities.insert(profiler::ActivityType::CUDA);
  profiler::prepareProfiler(config, activities);
  profiler::enableProfiler(config, activities);
  f();
  synchronize(device);  // or what is still queued would be missing
  const auto result = profiler::disableProfiler();

  std::int64_t launches = 0, synchronizations = 0, copies = 0;
  std::map<std::string, KernelTime> kernels;
  for (const profiler::KinetoEvent& event : result->events()) {
    const std::string name = event.name();
    if (event.deviceType() == at::kCUDA) {
      KernelTime& time = kernels[name];
      ++time.calls;
      time.milliseconds += static_cast<double>(event.durationNs()) * 1e-6;
    }
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
  return {{"launches", launches},
          {"synchronizations", synchronizations},
          {"copies", copies},
          {"kernels", longest_of(kernels)}};
}

}  // namespace polymoe::bench
