#include "polymoe/tensor/tensor_memory.h"

#include <cstring>

#include <c10/core/Allocator.h>
#include <c10/core/CPUAllocator.h>

#include "polymoe/tensor/mappings.h"

namespace polymoe {
namespace {

// Smaller blocks come from LibTorch's own allocator, that is the heap.
constexpr std::size_t kSmallestMapped = std::size_t{1} << 17;

// Never destroyed: tensors may go later than anything else.
Mappings& mappings() {
  static auto* all = new Mappings;
  return *all;
}

// The deleter of all tensors: LibTorch wants one for an allocator, which gets an address alone.
void release(void* data) {
  if (mappings().give(data)) return;
  c10::GetDefaultCPUAllocator()->raw_deleter()(data);
}

class MappedAllocator : public c10::Allocator {
 public:
  c10::DataPtr allocate(std::size_t bytes) override {
    const c10::Device host(c10::DeviceType::CPU);
    if (bytes < kSmallestMapped) {
      void* data = c10::GetDefaultCPUAllocator()->raw_allocate(bytes);
      return {data, data, &release, host};
    }
    void* data = mappings().take(bytes);
    c10::DataPtr pointer(data, data, &release, host);
    c10::profiledCPUMemoryReporter().New(data, bytes);  // throws over a budget
    return pointer;
  }

  c10::DeleterFnPtr raw_deleter() const override { return &release; }

  void copy_data(void* target, const void* source, std::size_t bytes) const override {
    std::memcpy(target, source, bytes);
  }
};

}  // namespace

void map_large_tensors() {
  static auto* const allocator = new MappedAllocator;  // lives as long as the program
  c10::SetCPUAllocator(allocator);
}

}  // namespace polymoe
