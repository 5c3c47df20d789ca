#include "polymoe/parallel/row_all_to_all.h"

#include <gtest/gtest.h>

#include "polymoe/base/error.h"
#include "polymoe/tensor/torch_headers.h"
#include "support/thread_communicator.h"

namespace polymoe {
namespace {

// Rows that member `from` sends to member `to`: some none at all.
std::int64_t rows_between(std::int64_t from, std::int64_t to) { return (3 * from + 5 * to) % 4; }

// Each row names its sender, its receiver and its number.
at::Tensor row(std::int64_t from, std::int64_t to, std::int64_t number) {
  return at::tensor({static_cast<float>(from), static_cast<float>(to), static_cast<float>(number)}).view({1, 3});
}

void check_exchange(RowAllToAll& exchange) {
  const std::int64_t size = exchange.group().size(), me = exchange.group().rank();
  std::vector<std::int64_t> send, receive;
  std::vector<at::Tensor> sent{at::empty({0, 3})}, expected{at::empty({0, 3})};
  for (std::int64_t other = 0; other < size; ++other) {
    send.push_back(rows_between(me, other));
    receive.push_back(rows_between(other, me));
    for (std::int64_t i = 0; i < send.back(); ++i) sent.push_back(row(me, other, i));
    for (std::int64_t i = 0; i < receive.back(); ++i) expected.push_back(row(other, me, i));
  }
  EXPECT_TRUE(at::equal(exchange.exchange(at::cat(sent), send, receive), at::cat(expected)));
  EXPECT_EQ(exchange_counts(exchange, send, at::kCPU), receive);
}

TEST(RowAllToAll, FlatBringsEveryRowToItsReceiverInOrder) {
  testing::run_ranks(4, [](Communicator& world) { check_exchange(*make_flat_all_to_all(world)); });
}

TEST(RowAllToAll, HierarchicalBringsTheSameRowsInTheSameOrder) {
  for (const int per_node : {2, 3}) {
    testing::run_ranks(6, [per_node](Communicator& world) {
      std::vector<int> nodes;
      for (int rank = 0; rank < 6; ++rank) nodes.push_back(rank / per_node);
      check_exchange(*make_hierarchical_all_to_all(world, nodes));
    });
  }
}

TEST(RowAllToAll, HierarchicalSendsAcrossNodesInFewerMessages) {
  // Three nodes of two: flat, a member would send to four others across nodes; now to two, through one group.
  testing::run_ranks(6, [](Communicator& world) {
    const auto exchange = make_hierarchical_all_to_all(world, {0, 0, 1, 1, 2, 2});
    check_exchange(*exchange);
    EXPECT_EQ(world.count(Collective::kAllToAll).calls, 0) << "nothing goes to all members at once";
  });
}

TEST(RowAllToAll, UnevenNodesAreRefused) {
  testing::run_ranks(4, [](Communicator& world) {
    EXPECT_THROW(make_hierarchical_all_to_all(world, {0, 0, 0, 1}), Error);
    EXPECT_THROW(make_hierarchical_all_to_all(world, {0, 0, 1, 0}), Error);
  });
}

}  // namespace
}  // namespace polymoe
