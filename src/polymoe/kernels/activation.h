#pragma once

#include <cmath>

#include "polymoe/kernels/host_device.h"

namespace polymoe {

enum class Activation { kRelu, kGelu, kSwish };

namespace kernels {

/// GELU is the exact one, with the error function.
POLYMOE_HOST_DEVICE inline float activate(float x, Activation activation) {
  switch (activation) {
    case Activation::kRelu:
      return x > 0.0f || x != x ? x : 0.0f;
    case Activation::kGelu:
      return 0.5f * x * (1.0f + std::erf(x * 0.70710678118654752f));
    case Activation::kSwish:
      break;
  }
  return x / (1.0f + std::exp(-x));
}

}  // namespace kernels
}  // namespace polymoe
