#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <mutex>
#include <unordered_map>

namespace polymoe {

/// Pages of the system's for large tensors, each with an address that begins a page. Those that tensors leave are kept,
/// since fresh ones cost page faults; but never more than that all together take what was in use at the peak. Kept
/// pages that lie beside each other are one piece, and a piece serves whatever fits into it: batches of many shapes
/// seldom ask for a size twice. Whatever is taken counts with LibTorch's memory profiler, as host memory. Safe from
/// several threads.
class Mappings {
 public:
  /// What is done to fresh pages, and before they go back; may be empty. With hooks pages go back as they came, so what
  /// is kept serves only nearly its own size, or where it is small any smaller one.
  struct Hooks {
    std::function<void(void* data, std::size_t bytes)> mapped;
    std::function<void(void* data)> unmapping;
  };
  Mappings() = default;
  explicit Mappings(Hooks hooks) : hooks_(std::move(hooks)) {}

  /// Memory for so many bytes, rounded up to whole pages. Throws std::bad_alloc where the system has none.
  void* take(std::size_t bytes);
  /// Takes memory back. False: it was not taken here.
  bool give(void* data);
  /// Mapped at present: in use, and kept.
  std::size_t bytes() const;

 private:
  struct Mapping {
    char* data = nullptr;
    std::size_t size = 0;
  };
  bool is_divisible() const { return !hooks_.mapped && !hooks_.unmapping; }
  Mapping take_kept(std::size_t size);
  Mapping map_fresh(std::size_t size);
  void keep(Mapping mapping);
  void drop_smallest(std::size_t enough);

  Hooks hooks_;
  mutable std::mutex mutex_;                     // of all below
  std::unordered_map<void*, std::size_t> used_;  // sizes
  std::map<char*, std::size_t> kept_;            // sizes
  std::size_t kept_bytes_ = 0, used_bytes_ = 0, peak_bytes_ = 0;
};

}  // namespace polymoe
