#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

namespace polymoe {

/// Memory that begins at a cache line and is not set to anything. From a mebibyte on it is pages of its own: in the
/// heap, loading a MoE model took a quarter of its weights more. Throws std::bad_alloc where the system has none.
void* take_aligned(std::size_t bytes);
void give_aligned(void* data, std::size_t bytes) noexcept;

/// Elements of T in memory of take_aligned().
template <typename T>
class AlignedArray {
 public:
  AlignedArray() = default;
  explicit AlignedArray(std::int64_t count)
      : data_(static_cast<T*>(take_aligned(bytes_of(count))), Free{bytes_of(count)}), count_(count) {}

  T* data() { return data_.get(); }
  const T* data() const { return data_.get(); }
  std::int64_t size() const { return count_; }

 private:
  struct Free {
    std::size_t bytes = 0;
    void operator()(T* data) const { give_aligned(data, bytes); }
  };
  static std::size_t bytes_of(std::int64_t count) { return static_cast<std::size_t>(count) * sizeof(T); }

  std::unique_ptr<T, Free> data_;
  std::int64_t count_ = 0;
};

}  // namespace polymoe
