#include "polymoe/tensor/device_memory.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "polymoe/base/error.h"
#include "polymoe/tensor/tensor_memory.h"
#include "polymoe/tensor/torch_headers.h"

namespace polymoe {
namespace {

constexpr std::int64_t kMegabyte = 1000000;

at::Tensor megabytes(std::int64_t count) { return at::empty({count * kMegabyte}, at::kByte); }

// The program's allocator: LibTorch's own would keep a block that a budget refuses.
class DeviceMemoryTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { map_large_tensors(); }
};

std::int64_t held(const DeviceMemory& memory, MemoryKind kind) {
  return memory.now()[static_cast<std::size_t>(kind)] / kMegabyte;
}

TEST_F(DeviceMemoryTest, CountsByKindAndForgetsWhatIsFreed) {
  const DeviceMemory memory(at::kCPU, 0, 0);
  at::Tensor activations = megabytes(1), parameters, host;
  {
    const MemoryScope scope(MemoryKind::kParameters);
    parameters = megabytes(2);
    const MemoryScope on_host(MemoryKind::kOptimizer, true);
    host = megabytes(4);
  }
  const at::Tensor more = megabytes(8);
  EXPECT_EQ(held(memory, MemoryKind::kActivations), 9);
  EXPECT_EQ(held(memory, MemoryKind::kParameters), 2);
  EXPECT_EQ(held(memory, MemoryKind::kOptimizer), 0);
  EXPECT_EQ(memory.host_now(), 4 * kMegabyte);
  activations.reset();
  host.reset();
  EXPECT_EQ(held(memory, MemoryKind::kActivations), 8);
  EXPECT_EQ(memory.host_now(), 0);
}

TEST_F(DeviceMemoryTest, KeepsWhatThePeakWasMadeOf) {
  const DeviceMemory memory(at::kCPU, 0, 0);
  at::Tensor a = megabytes(5);
  a.reset();
  const at::Tensor b = megabytes(3);
  EXPECT_EQ(total_of(memory.peak()), 5 * kMegabyte);
}

TEST_F(DeviceMemoryTest, OverItsBudgetNamesWhatTakesMostAndWhatHelps) {
  const DeviceMemory memory(at::kCPU, 10 * kMegabyte, 0);
  at::Tensor optimizer;
  {
    const MemoryScope scope(MemoryKind::kOptimizer);
    optimizer = megabytes(7);
  }
  const at::Tensor activations = megabytes(2);
  try {
    megabytes(2);
    FAIL() << "11 MB of 10";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(),
                ::testing::HasSubstr("train.device-memory: over 0.010 GB: optimizer 0.007 GB, activations "
                                     "0.004 GB; try offload.optimizer"));
    EXPECT_THAT(error.what(), ::testing::HasSubstr("parallel.recompute"));
  }
}

TEST_F(DeviceMemoryTest, TheHostHasABudgetOfItsOwn) {
  const DeviceMemory memory(at::kCPU, kMegabyte, 5 * kMegabyte);
  const MemoryScope scope(MemoryKind::kOptimizer, true);
  const at::Tensor fits = megabytes(4);
  EXPECT_THROW(megabytes(2), Error);
  EXPECT_EQ(memory.host_now(), 4 * kMegabyte) << "what nobody got does not count";
  EXPECT_NO_THROW(megabytes(1));
}

}  // namespace
}  // namespace polymoe
