#include "polymoe/comm/hosts.h"

#include <gtest/gtest.h>

#include "polymoe/tensor/torch_headers.h"
#include "support/thread_communicator.h"

namespace polymoe {
namespace {

TEST(Hosts, ProcessesOfOneMachineHaveOneNumber) {
  testing::run_ranks(3, [](Communicator& world) {
    EXPECT_EQ(hosts_of(world), (std::vector<int>{0, 0, 0}));
    EXPECT_EQ(processes_here(world), 3);
  });
}

}  // namespace
}  // namespace polymoe
