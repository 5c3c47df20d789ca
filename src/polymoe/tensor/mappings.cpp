#include "polymoe/tensor/mappings.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <limits>
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
  const Mapping mapping{static_cast<char*>(data), found->second};
  used_.erase(found);
  used_bytes_ -= mapping.size;
  keep(mapping);
  return true;
}

std::size_t Mappings::bytes() const {
  const std::lock_guard lock(mutex_);
  return used_bytes_ + kept_bytes_;
}

// The smallest that is large enough; of one that cannot be divided, an eighth may be too much, and of small ones all:
// their sizes change from use to use, and a new mapping may make a GPU wait.
Mappings::Mapping Mappings::take_kept(std::size_t size) {
  constexpr std::size_t kSmall = std::size_t{1} << 20;
  const std::size_t most = is_divisible() ? std::numeric_limits<std::size_t>::max() : std::max(size + size / 8, kSmall);
  auto best = kept_.end();
  for (auto at = kept_.begin(); at != kept_.end(); ++at) {
    if (at->second >= size && at->second <= most && (best == kept_.end() || at->second < best->second)) best = at;
  }
  if (best == kept_.end()) return {};
  Mapping found{best->first, best->second};
  kept_bytes_ -= found.size;
  kept_.erase(best);
  if (is_divisible() && found.size > size) {
    keep({found.data + size, found.size - size});
    found.size = size;
  }
  return found;
}

void Mappings::keep(Mapping mapping) {
  kept_bytes_ += mapping.size;
  if (is_divisible()) {
    auto next = kept_.lower_bound(mapping.data);
    if (next != kept_.end() && mapping.data + mapping.size == next->first) {
      mapping.size += next->second;
      next = kept_.erase(next);
    }
    if (next != kept_.begin()) {
      const auto before = std::prev(next);
      if (before->first + before->second == mapping.data) {
        before->second += mapping.size;
        return;
      }
    }
  }
  kept_.emplace(mapping.data, mapping.size);
}

// Of the kept piece that is of least use; no more than `enough` bytes where it can be divided.
void Mappings::drop_smallest(std::size_t enough) {
  const auto smallest =
      std::min_element(kept_.begin(), kept_.end(), [](const auto& a, const auto& b) { return a.second < b.second; });
  const std::size_t dropped = is_divisible() ? std::min(enough, smallest->second) : smallest->second;
  smallest->second -= dropped;
  char* const data = smallest->first + smallest->second;
  if (smallest->second == 0) kept_.erase(smallest);
  if (hooks_.unmapping) hooks_.unmapping(data);
  munmap(data, dropped);
  kept_bytes_ -= dropped;
}

Mappings::Mapping Mappings::map_fresh(std::size_t size) {
  while (kept_bytes_ > 0 && used_bytes_ + kept_bytes_ + size > peak_bytes_)
    drop_smallest(used_bytes_ + kept_bytes_ + size - peak_bytes_);
  const auto map = [size] { return mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0); };
  void* data = map();
  while (data == MAP_FAILED && kept_bytes_ > 0) {
    drop_smallest(kept_bytes_);
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
  return {static_cast<char*>(data), size};
}

}  // namespace polymoe
