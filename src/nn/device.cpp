#include "nn/device.h"

#include <cstdlib>

#include "nn/torch_headers.h"

#include "base/error.h"

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

at::Device open_device(const std::string& name, bool deterministic) {
  if (name == "cpu") return {at::kCPU};
  if (name != "cuda") fail("no device is named '{}'; choose cpu or cuda", name);
  if (!at::hasCUDA()) fail("device cuda: this LibTorch or this machine has no CUDA; use device cpu");
  set_up_cuda(deterministic);
  return {at::kCUDA};
}

at::ScalarType parse_precision(const std::string& name) {
  if (name == "float32") return at::kFloat;
  if (name == "bfloat16") return at::kBFloat16;
  if (name == "float16") return at::kHalf;
  fail("no precision is named '{}'; choose float32, bfloat16 or float16", name);
}

}  // namespace polymoe
