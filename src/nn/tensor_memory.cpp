#include "nn/tensor_memory.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <list>
#include <mutex>
#include <new>

#include <c10/core/Allocator.h>
#include <c10/core/CPUAllocator.h>

namespace polymoe {
namespace {

// Smaller blocks come from LibTorch's own allocator, that is the heap.
constexpr std::size_t kSmallestMapped = std::size_t{1} << 17;
constexpr std::size_t kPage = 4096;

struct Mapping {
  void* data = nullptr;
  std::size_t size = 0;
};

// Mappings come and go with large tensors. Those that went are kept, since each fresh page costs a page fault, and a
// training step takes and frees blocks of the same few sizes again and again; but never more than that all together
// take what was in use at the peak.
class Mappings {
 public:
  Mapping take(std::size_t bytes) {
    const std::size_t size = (bytes + kPage - 1) / kPage * kPage;
    const std::lock_guard lock(mutex_);
    Mapping mapping = take_kept(size);
    if (mapping.data == nullptr) mapping = map_fresh(size);
    used_bytes_ += mapping.size;
    peak_bytes_ = std::max(peak_bytes_, used_bytes_);
    return mapping;
  }

  void give(const Mapping& mapping) {
    const std::lock_guard lock(mutex_);
    used_bytes_ -= mapping.size;
    kept_bytes_ += mapping.size;
    kept_.push_front(mapping);
  }

 private:
  // The smallest that is large enough, and not larger by more than an eighth.
  Mapping take_kept(std::size_t size) {
    auto best = kept_.end();
    for (auto at = kept_.begin(); at != kept_.end(); ++at) {
      if (at->size >= size && at->size <= size + size / 8 && (best == kept_.end() || at->size < best->size)) best = at;
    }
    if (best == kept_.end()) return {};
    const Mapping found = *best;
    kept_bytes_ -= found.size;
    kept_.erase(best);
    return found;
  }

  Mapping map_fresh(std::size_t size) {
    while (kept_bytes_ > 0 && used_bytes_ + kept_bytes_ + size > peak_bytes_) {
      const Mapping& oldest = kept_.back();
      munmap(oldest.data, oldest.size);
      kept_bytes_ -= oldest.size;
      kept_.pop_back();
    }
    void* data = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (data == MAP_FAILED) throw std::bad_alloc();
    madvise(data, size, MADV_HUGEPAGE);  // a wish
    return {data, size};
  }

  std::mutex mutex_;
  std::list<Mapping> kept_;  // the last to go first
  std::size_t kept_bytes_ = 0, used_bytes_ = 0, peak_bytes_ = 0;
};

// Never destroyed: tensors may go later than anything else.
Mappings& mappings() {
  static auto* all = new Mappings;
  return *all;
}

void unmap(void* context) {
  auto* mapping = static_cast<Mapping*>(context);
  c10::profiledCPUMemoryReporter().Delete(mapping->data);
  mappings().give(*mapping);
  delete mapping;
}

class MappedAllocator : public c10::Allocator {
 public:
  c10::DataPtr allocate(std::size_t bytes) override {
    if (bytes < kSmallestMapped) return c10::GetDefaultCPUAllocator()->allocate(bytes);
    auto* mapping = new Mapping(mappings().take(bytes));
    c10::DataPtr pointer(mapping->data, mapping, &unmap, c10::Device(c10::DeviceType::CPU));
    c10::profiledCPUMemoryReporter().New(mapping->data, bytes);  // throws over a budget
    return pointer;
  }

  void copy_data(void* target, const void* source, std::size_t bytes) const override {
    std::memcpy(target, source, bytes);
  }
};

}  // namespace

void map_large_tensors() { c10::SetCPUAllocator(new MappedAllocator); }  // lives as long as the program

}  // namespace polymoe
