#pragma once

#include <cstdint>
#include <vector>

#include "polymoe/comm/communicator.h"
#include "polymoe/config/run_options.h"
#include "polymoe/data/dataset.h"
#include "polymoe/data/stream.h"
#include "polymoe/tensor/device_memory.h"

namespace polymoe {

/// What a training works with but for its model: opened in an order in which mistakes cost little. All processes make
/// it together; a mistake in options or data, which all of them see, is told once, as nobody's in particular.
struct TrainSetup {
  /// Throws Error for options without data or output, damaged data (with train.verify), and what fits no data.
  TrainSetup(const RunOptions& given, Communicator& world);

  Communicator& world;
  RunOptions options;   ///< as given, completed with what the data say of the model
  DeviceMemory memory;  ///< counts what is made from here on
  Dataset dataset;
  BatchStream stream;
};

/// Throws Error where the training asks for more memory than its limits or, on a CPU, this machine has; warns where it
/// comes close. Before the model is made; all processes call it together.
void check_fits(const RunOptions& options, Communicator& world);

/// The directions of translation that are trained.
std::vector<Direction> training_directions(const BatchStream& stream);

}  // namespace polymoe
