#include "polymoe/tensor/host_copy.h"

#include <gtest/gtest.h>

#include "polymoe/tensor/torch_headers.h"

namespace polymoe {
namespace {

TEST(HostCopy, OfWhatIsInHostMemoryIsThatItself) {
  const at::Tensor source = at::randn({3, 5});
  EXPECT_TRUE(HostCopy(source).get().is_same(source));
}

TEST(HostCopy, FromAGpuArrivesAsItWasAlthoughTheSourceIsGone) {
  if (!at::hasCUDA()) GTEST_SKIP() << "needs a GPU";
  const at::Tensor expected = at::randn({1 << 22});
  at::Tensor source = expected.to(at::kCUDA);
  const HostCopy copy(source.mul_(2));
  source.reset();
  const at::Tensor next = at::zeros({1 << 22}, at::TensorOptions(at::kCUDA));  // may get the memory
  EXPECT_TRUE(copy.get().is_pinned());
  EXPECT_TRUE(at::equal(copy.get(), expected * 2));
}

}  // namespace
}  // namespace polymoe
