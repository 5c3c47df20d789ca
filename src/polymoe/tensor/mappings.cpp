#include "polymoe/tensor/mappings.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstdint>
#include <new>

#include <c10/core/CPUAllocator.h>

namespace polymoe {
namespace {

constexpr std::size_t kPage = 4096;

}  // namespace

void* Mappings::take(std::size_t bytes) {
  const std::size_t size = (bytes + kPage - 1) / kPage * kPage;
  const std::lock_guard lock(mutex_);
  Mapping mapping = take_kept(size);
  if (mapping.data == nullptr) mapping = map_fresh(size);
  used_[mapping.data] = mapping.size;
  used_bytes_ += mapping.size;
  peak_bytes_ = std::max(peak_bytes_, used_bytes_);
  return mapping.data;
}

bool Mappings::give(void* data) {
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

std::size_t Mappings::bytes() const {
  const std::lock_guard lock(mutex_);
  return used_bytes_ + kept_bytes_;
}

// The smallest that is large enough, and not larger by more than an eighth.
Mappings::Mapping Mappings::take_kept(std::size_t size) {
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

void Mappings::drop_oldest() {
  const Mapping& oldest = kept_.back();
  if (hooks_.unmapping) hooks_.unmapping(oldest.data);
  munmap(oldest.data, oldest.size);
  kept_bytes_ -= oldest.size;
  kept_.pop_back();
}

Mappings::Mapping Mappings::map_fresh(std::size_t size) {
  while (kept_bytes_ > 0 && used_bytes_ + kept_bytes_ + size > peak_bytes_) drop_oldest();
  const auto map = [size] { return mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0); };
  void* data = map();
  while (data == MAP_FAILED && kept_bytes_ > 0) {
    drop_oldest();
    data = map();
  }
  if (data == MAP_FAILED) throw std::bad_alloc();
  madvise(data, size, MADV_HUGEPAGE);  // a wish
  try {
    if (hooks_.mapped) hooks_.mapped(data, size);
  } catch (...) {
    munmap(data, size);
    throw;
  }
  return {data, size};
}

}  // namespace polymoe
