#include "polymoe/tensor/device.h"

#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "polymoe/base/error.h"
#include "polymoe/tensor/torch_headers.h"

namespace polymoe {
namespace {

TEST(Device, TheCpuIsAlwaysThere) {
  EXPECT_TRUE(open_device("cpu").is_cpu());
  EXPECT_TRUE(open_device("cpu", /*deterministic=*/true).is_cpu());
  EXPECT_FALSE(at::globalContext().deterministicAlgorithms()) << "the CPU's functions need no other path";
}

TEST(Device, UnknownWordsAreErrors) {
  EXPECT_THROW(open_device("tpu"), Error);
  EXPECT_EQ(parse_precision("float32"), at::kFloat);
  EXPECT_THROW(parse_precision("float8"), Error);
}

TEST(Device, AMissingGpuIsToldInWords) {
  if (at::hasCUDA()) GTEST_SKIP() << "this machine has a GPU";
  try {
    open_device("cuda");
    ADD_FAILURE() << "nothing was thrown";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), ::testing::HasSubstr("use device cpu"));
  }
}

TEST(Device, AttentionOnAGpuIsFusedUnlessEveryRunMustHaveTheSameBits) {
  if (!at::hasCUDA()) GTEST_SKIP() << "needs a GPU";
  at::Context& context = at::globalContext();
  open_device("cuda", /*deterministic=*/true);
  EXPECT_TRUE(context.deterministicAlgorithms());
  EXPECT_FALSE(context.userEnabledFlashSDP());
  EXPECT_FALSE(context.userEnabledMemEfficientSDP());
  EXPECT_FALSE(context.userEnabledCuDNNSDP());
  open_device("cuda");
  EXPECT_FALSE(context.deterministicAlgorithms());
  EXPECT_TRUE(context.userEnabledFlashSDP());
  EXPECT_FALSE(context.userEnabledCuDNNSDP());
}

}  // namespace
}  // namespace polymoe
