#pragma once

#include <string>

#include "polymoe/config/devices.h"

namespace polymoe {

/// Where state lives that is not needed on the device all the time.
struct OffloadOptions {
  Tier optimizer = Tier::kDevice;    // moments, and float32 master weights of lower precisions
  Tier gradients = Tier::kDevice;    // summed ones; ZeRO stage 2 or 3
  Tier parameters = Tier::kDevice;   // while no block needs them; ZeRO stage 3
  Tier activations = Tier::kDevice;  // inputs of blocks, with recompute: on the device or the host
  std::string folder;                // of files; empty: train.output
  bool delayed_update = false;       // update with the gradients of the batch before, beside backward
};

}  // namespace polymoe
