#pragma once

#include <string>

#include <c10/core/Device.h>
#include <c10/core/ScalarType.h>

#include "polymoe/config/devices.h"

namespace polymoe {

/// The device, and LibTorch made ready to compute there, for the whole process; before the first computation.
/// Error when the machine has no GPU that LibTorch can use.
///
/// `deterministic`: the same inputs give the same bits in every run on a GPU too, at the price of speed, and a function
/// that cannot promise it throws. The CPU's functions always do.
at::Device open_device(DeviceKind device, bool deterministic = false);
/// The same by its word, "cpu" or "cuda".
at::Device open_device(const std::string& name, bool deterministic = false);

at::ScalarType scalar_type(NumberFormat precision);
/// The same by its word: "float32", "bfloat16" or "float16".
at::ScalarType parse_precision(const std::string& name);

}  // namespace polymoe
