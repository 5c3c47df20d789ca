// Collectives over NCCL in a world of one, where this build has NCCL and the machine a GPU.
#include <gtest/gtest.h>

#include "polymoe/tensor/torch_headers.h"
#ifdef POLYMOE_NCCL
#include "polymoe/comm/nccl/nccl_communicator.h"
#endif

namespace polymoe {
namespace {

TEST(Nccl, AWorldOfOneGetsBackWhatItGives) {
#ifndef POLYMOE_NCCL
  GTEST_SKIP() << "this build has no NCCL";
#else
  if (!at::hasCUDA()) GTEST_SKIP() << "this machine has no GPU";
  const std::unique_ptr<Communicator> host = make_self_communicator();
  const std::unique_ptr<Communicator> group = make_nccl_communicator(*host, "one", std::chrono::seconds(60));
  for (const at::ScalarType type : {at::kFloat, at::kBFloat16}) {
    const at::Tensor x = at::arange(1000, at::TensorOptions(at::kCUDA).dtype(type));
    const at::Tensor kept = x.clone();
    group->all_reduce(x);
    EXPECT_TRUE(at::equal(x, kept));
    group->broadcast(x, 0);
    EXPECT_TRUE(at::equal(x, kept));
    const at::Tensor got = at::empty_like(x);
    group->reduce_scatter(x, got);
    EXPECT_TRUE(at::equal(got, kept));
    got.zero_();
    group->all_gather(x, got);
    EXPECT_TRUE(at::equal(got, kept));
    got.zero_();
    group->all_to_all(x, {1000}, got, {1000});
    EXPECT_TRUE(at::equal(got, kept));
  }
  group->barrier();
  EXPECT_EQ(group->count(Collective::kAllReduce).calls, 2);
  EXPECT_EQ(group->count(Collective::kAllReduce).bytes, 0);
#endif
}

}  // namespace
}  // namespace polymoe
