#include "nn/tensor_memory.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <list>
#include <mutex>
#include <new>
#include <unordered_map>

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
  void* take(std::size_t bytes) {
    const std::size_t size = (bytes + kPage - 1) / kPage * kPage;
    const std::lock_guard lock(mutex_);
    Mapping mapping = take_kept(size);
    if (mapping.data == nullptr) mapping = map_fresh(size);
    used_[mapping.data] = mapping.size;
    used_bytes_ += mapping.size;
    peak_bytes_ = std::max(peak_bytes_, used_bytes_);
    return mapping.data;
  }

  // Whether the memory at this address was taken here.
  bool give(void* data) {
    if (reinterpret_cast<std::uintptr_t>(data) % kPage != 0) return false;
    const std::lock_guard lock(mutex_);
    const auto found = used_.find(data);
    if (found == used_.end()) return false;
    c10::profiledCPUMemoryReporter().Delete(data);
    const Mapping mapping{data, found->second};
    used_.erase(found);
    used_bytes_ -= mapping.size;
    kept_bytes_ += mapping.size;
    kept_.push_front(mapping);
    return true;
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

  void drop_oldest() {
    const Mapping& oldest = kept_.back();
    munmap(oldest.data, oldest.size);
    kept_bytes_ -= oldest.size;
    kept_.pop_back();
  }

  Mapping map_fresh(std::size_t size) {
    while (kept_bytes_ > 0 && used_bytes_ + kept_bytes_ + size > peak_bytes_) drop_oldest();
    const auto map = [size] { return mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0); };
    void* data = map();
    while (data == MAP_FAILED && kept_bytes_ > 0) {
      drop_oldest();
      data = map();
    }
    if (data == MAP_FAILED) throw std::bad_alloc();
    madvise(data, size, MADV_HUGEPAGE);  // a wish
    return {data, size};
  }

  std::mutex mutex_;
  std::unordered_map<void*, std::size_t> used_;  // sizes
  std::list<Mapping> kept_;                      // the last to go first
  std::size_t kept_bytes_ = 0, used_bytes_ = 0, peak_bytes_ = 0;
};

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

void map_large_tensors() { c10::SetCPUAllocator(new MappedAllocator); }  // lives as long as the program

}  // namespace polymoe
