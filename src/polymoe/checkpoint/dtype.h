#pragma once

#include <string>

#include <c10/core/ScalarType.h>

#include "polymoe/checkpoint/safetensors.h"

namespace at {
class Tensor;
}

/// Between torch's element types and those of safetensors.
namespace polymoe {

c10::ScalarType scalar_type(Dtype dtype);

/// Type and shape of a tensor. Throws Error for an undefined or sparse tensor, and for types that Dtype lacks.
TensorSpec spec_of(const std::string& name, const at::Tensor& value);

}  // namespace polymoe
