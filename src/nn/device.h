#pragma once

#include <string>

#include <c10/core/Device.h>
#include <c10/core/ScalarType.h>

namespace polymoe {

/// "cpu" or "cuda"; Error when the machine has no GPU that LibTorch can use.
at::Device parse_device(const std::string& name);
/// "float32", "bfloat16" or "float16".
at::ScalarType parse_precision(const std::string& name);

}  // namespace polymoe
