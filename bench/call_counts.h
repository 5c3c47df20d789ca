#pragma once

#include <functional>

#include <c10/core/Device.h>
#include <nlohmann/json_fwd.hpp>

namespace polymoe::bench {

/// What the host asks of a GPU while `f` runs: {"launches", "synchronizations", "copies", "kernels"}, as LibTorch's
/// profiler sees the calls of CUDA's runtime and driver. Launches are of kernels; synchronisations are waits for a
/// stream, an event or the device, and copies that wait; copies are those that do not wait, settings of memory
/// included; kernels are [[name, calls, milliseconds on the device], ...], the longest first, copies among them. All
/// are 0 or empty on the CPU. null where the profiler sees no launch on a GPU, that is, where it does not work.
nlohmann::json count_calls(const at::Device& device, const std::function<void()>& f);

}  // namespace polymoe::bench
