#include "polymoe/inference/aligned_array.h"

#include <cstdint>
#include <utility>

#include <gtest/gtest.h>
#include <malloc.h>

namespace polymoe {
namespace {

constexpr std::int64_t kMiB = std::int64_t{1} << 20;

TEST(AlignedArrays, BeginAtCacheLinesAndMove) {
  for (const std::int64_t count : {std::int64_t{1}, std::int64_t{1000}, kMiB / 4 - 1, kMiB / 4, kMiB}) {
    AlignedArray<float> array(count);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(array.data()) % 64, 0u) << count;
    array.data()[0] = 1;
    array.data()[count - 1] = 2;
    AlignedArray<float> other(3);
    other = std::move(array);
    EXPECT_EQ(other.size(), count);
    EXPECT_EQ(other.data()[count - 1], 2.0f);
  }
  EXPECT_EQ(AlignedArray<float>().size(), 0);
}

std::size_t bytes_of_heap() {
  const struct mallinfo2 info = mallinfo2();
  return info.arena + info.hblkhd;
}

TEST(AlignedArrays, LargeOnesAreNotInTheHeap) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "sanitizers have a heap of their own";
#endif
  const std::size_t before = bytes_of_heap();
  const AlignedArray<std::uint8_t> large(8 * kMiB);
  EXPECT_LT(bytes_of_heap(), before + kMiB);
}

}  // namespace
}  // namespace polymoe
