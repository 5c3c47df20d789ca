#include "polymoe/tensor/pinned_memory.h"

#include <gtest/gtest.h>

#include "polymoe/tensor/device_memory.h"
#include "polymoe/tensor/torch_headers.h"

namespace polymoe {
namespace {

TEST(PinnedMemory, TakesWhatIsAskedForAndNotTheNextPowerOfTwo) {
  const std::int64_t before = pinned_bytes();
  const std::int64_t asked = (std::int64_t{1} << 31) + 4096;  // of which a GPU-less machine touches no page
  {
    const at::Tensor large = pinned_empty({asked}, at::kByte);
    EXPECT_EQ(pinned_bytes() - before, asked);
  }
  EXPECT_LE(pinned_bytes() - before, asked) << "what is kept for later is not more than was in use";
}

TEST(PinnedMemory, HoldsTensorsOfEveryTypeOnPagesOfTheirOwn) {
  const at::Tensor a = pinned_zeros({3, 5}, at::kFloat), b = pinned_zeros({7}, at::kBFloat16);
  EXPECT_EQ(a.sum().item<float>(), 0.0f);
  EXPECT_EQ(b.scalar_type(), at::kBFloat16);
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(a.const_data_ptr()) % 4096, 0U);
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(b.const_data_ptr()) % 4096, 0U);
  EXPECT_EQ(pinned_empty({0}, at::kFloat).numel(), 0);
  // LibTorch asks no device that it has not used yet.
  if (at::hasCUDA()) at::globalContext().lazyInitDevice(at::kCUDA);
  EXPECT_EQ(a.is_pinned(), at::hasCUDA());
}

TEST(PinnedMemory, CountsAgainstTheHostsBudget) {
  const DeviceMemory memory(at::kCPU, /*device_budget=*/0, /*host_budget=*/1 << 20);
  const MemoryScope scope(MemoryKind::kOptimizer, /*on_host=*/true);
  const at::Tensor fits = pinned_empty({1 << 19}, at::kByte);
  EXPECT_EQ(memory.host_now(), 1 << 19);
  EXPECT_ANY_THROW(pinned_empty({1 << 20}, at::kByte));
  EXPECT_EQ(memory.host_now(), 1 << 19) << "what was refused does not count";
}

}  // namespace
}  // namespace polymoe
