#include "nn/tensor_memory.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <fstream>

#include "nn/torch_headers.h"

namespace polymoe {
namespace {

constexpr std::int64_t kMiB = std::int64_t{1} << 20;

std::int64_t resident_mebibytes() {
  std::int64_t all = 0, resident = 0;
  std::ifstream("/proc/self/statm") >> all >> resident;
  return resident * 4096 / kMiB;
}

at::Tensor mebibytes(std::int64_t count) { return at::ones({count * kMiB}, at::kByte); }

class TensorMemory : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { map_large_tensors(); }
};

TEST_F(TensorMemory, WhatATensorLeavesServesTheNextOfItsSize) {
  const void* first = mebibytes(24).const_data_ptr();
  at::Tensor smaller = mebibytes(23);
  EXPECT_EQ(smaller.const_data_ptr(), first);
  at::Tensor half = mebibytes(12);
  EXPECT_NE(half.const_data_ptr(), first);
  smaller.reset();
  // Half the size is not near enough to take what is twice as large.
  EXPECT_NE(mebibytes(11).const_data_ptr(), first);
}

TEST_F(TensorMemory, WhatIsKeptStaysWithinThePeakOfWhatWasInUse) {
  at::Tensor large = mebibytes(96);
  const std::int64_t at_peak = resident_mebibytes();
  large.reset();
  const at::Tensor a = mebibytes(40), b = mebibytes(40);  // neither fits what was left
  EXPECT_LE(resident_mebibytes(), at_peak + 4);
}

// Some functions of LibTorch take memory without a tensor.
TEST_F(TensorMemory, RawMemoryComesAndGoesToo) {
  c10::Allocator& allocator = *c10::GetAllocator(c10::DeviceType::CPU);
  for (const std::size_t bytes : {std::size_t{0}, std::size_t{100}, std::size_t{1} << 22}) {
    void* data = allocator.raw_allocate(bytes);
    if (bytes > 0) std::memset(data, 1, bytes);
    allocator.raw_deallocate(data);
  }
  const at::Tensor x = at::ones({512, 1024}, at::kFloat);
  EXPECT_NEAR(at::gelu(x).mean().item<float>(), 0.8413f, 1e-3f);
}

TEST_F(TensorMemory, SmallTensorsComeFromTheHeap) {
  const at::Tensor small = at::ones({1000}, at::kFloat);
  EXPECT_EQ(small.sum().item<float>(), 1000.0f);
}

}  // namespace
}  // namespace polymoe
