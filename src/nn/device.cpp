#include "nn/device.h"

#include "nn/torch_headers.h"

#include "base/error.h"

namespace polymoe {

at::Device parse_device(const std::string& name) {
  if (name == "cuda" && !at::hasCUDA()) fail("device cuda: this LibTorch or this machine has no CUDA; use device cpu");
  return name == "cuda" ? at::Device(at::kCUDA) : at::Device(at::kCPU);
}

at::ScalarType parse_precision(const std::string& name) {
  return name == "bfloat16" ? at::kBFloat16 : name == "float16" ? at::kHalf : at::kFloat;
}

}  // namespace polymoe
