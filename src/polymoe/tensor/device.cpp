#include "polymoe/tensor/device.h"

#include <cstdlib>

#include "polymoe/tensor/torch_headers.h"

#include "polymoe/base/error.h"

namespace polymoe {
namespace {

void set_up_cuda(bool deterministic) {
  at::Context& context = at::globalContext();
  // cuDNN makes a plan, in tenths of a second, for every size it has not seen, and keeps them all: micro-batches come
  // in many sizes, and decoding has another one at every step.
  context.setSDPUseCuDNN(false);
  // The fused kernels' backward adds up with atomic operations, in an order of the moment.
  context.setSDPUseFlash(!deterministic);
  context.setSDPUseMemEfficient(!deterministic);
  context.setDeterministicAlgorithms(deterministic, /*warn_only=*/false);
  context.setDeterministicFillUninitializedMemory(false);
  // cuBLAS has the same bits in every run with workspaces of its own alone; it reads this when its first handle is
  // made.
  if (deterministic) setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8", /*overwrite=*/0);
}

}  // namespace

at::Device open_device(DeviceKind device, bool deterministic) {
  if (device == DeviceKind::kCpu) return {at::kCPU};
  if (!at::hasCUDA()) fail("device cuda: this LibTorch or this machine has no CUDA; use device cpu");
  set_up_cuda(deterministic);
  return {at::kCUDA};
}

at::Device open_device(const std::string& name, bool deterministic) {
  return open_device(from_word<DeviceKind>(name), deterministic);
}

at::ScalarType scalar_type(NumberFormat precision) {
  switch (precision) {
    case NumberFormat::kFloat32:
      return at::kFloat;
    case NumberFormat::kBFloat16:
      return at::kBFloat16;
    case NumberFormat::kFloat16:
      return at::kHalf;
  }
  fail("a precision has no number {}", static_cast<int>(precision));
}

at::ScalarType parse_precision(const std::string& name) { return scalar_type(from_word<NumberFormat>(name)); }

}  // namespace polymoe
