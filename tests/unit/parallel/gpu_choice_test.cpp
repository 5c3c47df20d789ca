#include "polymoe/parallel/gpu_choice.h"

#include <cstdlib>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "polymoe/base/error.h"

namespace polymoe {
namespace {

using ::testing::HasSubstr;

TEST(GpuChoice, ProcessesOfAMachineTakeItsGpusInTurn) {
  const std::vector<int> hosts{0, 0, 2, 2, 0};
  EXPECT_EQ(gpu_of(hosts, 0, 4), 0);
  EXPECT_EQ(gpu_of(hosts, 1, 4), 1);
  EXPECT_EQ(gpu_of(hosts, 2, 4), 0);
  EXPECT_EQ(gpu_of(hosts, 3, 4), 1);
  EXPECT_EQ(gpu_of(hosts, 4, 4), 2);
}

TEST(GpuChoice, MoreProcessesThanGpusAreRefusedInWords) {
  unsetenv("NCCL_HOSTID");
  try {
    gpu_of({0, 0, 0}, 1, 1);
    ADD_FAILURE() << "nothing was thrown";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("3 processes on this machine and 1 GPU"));
    EXPECT_THAT(error.what(), HasSubstr("NCCL_HOSTID"));
  }
  // The second machine has enough.
  EXPECT_EQ(gpu_of({0, 0, 2}, 2, 1), 0);
}

TEST(GpuChoice, ProcessesThatSaySoShareAGpu) {
  setenv("NCCL_HOSTID", "a", /*overwrite=*/1);
  EXPECT_EQ(gpu_of({0, 0, 0}, 1, 1), 0);
  EXPECT_EQ(gpu_of({0, 0, 0}, 2, 2), 0);
  unsetenv("NCCL_HOSTID");
}

}  // namespace
}  // namespace polymoe
