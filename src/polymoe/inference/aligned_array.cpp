#include "polymoe/inference/aligned_array.h"

#include <new>

#include <sys/mman.h>

namespace polymoe {
namespace {

constexpr std::align_val_t kAlignment{64};
constexpr std::size_t kSmallestMapped = std::size_t{1} << 20;

}  // namespace

void* take_aligned(std::size_t bytes) {
  if (bytes < kSmallestMapped) return ::operator new(bytes, kAlignment);
  void* data = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (data == MAP_FAILED) throw std::bad_alloc();
  return data;
}

void give_aligned(void* data, std::size_t bytes) noexcept {
  if (bytes < kSmallestMapped) return ::operator delete(data, kAlignment);
  munmap(data, bytes);
}

}  // namespace polymoe
