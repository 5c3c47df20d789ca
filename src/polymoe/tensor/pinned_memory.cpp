#include "polymoe/tensor/pinned_memory.h"

#include <dlfcn.h>

#include <algorithm>

#include <c10/core/CPUAllocator.h>

#include "polymoe/base/error.h"
#include "polymoe/tensor/mappings.h"
#include "polymoe/tensor/torch_headers.h"

namespace polymoe {
namespace {

// The CUDA runtime is asked by name: it is in the process wherever LibTorch has CUDA, and its headers need not be on
// the machine that builds.
using RegisterFunction = int (*)(void* data, std::size_t bytes, unsigned flags);
using UnregisterFunction = int (*)(void* data);
constexpr unsigned kForAllContexts = 1;  // cudaHostRegisterPortable

void register_pages(void* data, std::size_t bytes) {
  if (!at::hasCUDA()) return;
  const auto pin = reinterpret_cast<RegisterFunction>(dlsym(RTLD_DEFAULT, "cudaHostRegister"));
  if (pin == nullptr) fail("this LibTorch has CUDA, but its runtime offers no cudaHostRegister");
  const int status = pin(data, bytes, kForAllContexts);
  if (status == 0) return;
  throw Error(
      fmt::format("cannot pin {:.3f} GB of host memory (CUDA error {})", static_cast<double>(bytes) / 1e9, status), {},
      "move less there: offload.* to device or file, or more processes with parallel.zero-stage");
}

void unregister_pages(void* data) {
  if (!at::hasCUDA()) return;
  const auto unpin = reinterpret_cast<UnregisterFunction>(dlsym(RTLD_DEFAULT, "cudaHostUnregister"));
  if (unpin != nullptr) unpin(data);
}

// Never destroyed: tensors may go later than anything else.
Mappings& pinned_mappings() {
  static auto* all = new Mappings({&register_pages, &unregister_pages});
  return *all;
}

void release_pinned(void* data) { pinned_mappings().give(data); }

}  // namespace

at::Tensor pinned_empty(at::IntArrayRef sizes, at::ScalarType type) {
  const std::size_t bytes = static_cast<std::size_t>(c10::multiply_integers(sizes)) * c10::elementSize(type);
  void* data = pinned_mappings().take(std::max<std::size_t>(bytes, 1));
  at::Tensor tensor = at::from_blob(data, sizes, &release_pinned, at::TensorOptions(type));
  c10::profiledCPUMemoryReporter().New(data, bytes);  // throws over a budget
  return tensor;
}

at::Tensor pinned_zeros(at::IntArrayRef sizes, at::ScalarType type) { return pinned_empty(sizes, type).zero_(); }

std::int64_t pinned_bytes() { return static_cast<std::int64_t>(pinned_mappings().bytes()); }

}  // namespace polymoe
