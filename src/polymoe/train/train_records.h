#pragma once

#include "polymoe/comm/communicator.h"
#include "polymoe/metrics/records.h"
#include "polymoe/tensor/device_memory.h"
#include "polymoe/train/run_state.h"

namespace polymoe {

/// What a run is, for the beginning of its records.
RunRecord run_record(const RunState& run, const TrainSetup& setup);

/// The most memory of any process so far: of all it has, of the device by kind, and of the host's share. All processes
/// call it together.
std::map<std::string, double> memory_peaks(const DeviceMemory& memory, Communicator& world);

/// The updates since the last record: `all`, the window over all processes. Without memory.
TrainRecord train_record(const Window& all, const RunState& run, const TrainSetup& setup, double learning_rate);

}  // namespace polymoe
