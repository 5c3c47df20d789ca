// Each collective against a plain computation. Results must be equal bit for bit: sums are taken in the order of ranks.
#include <gtest/gtest.h>

#include "support/thread_communicator.h"
#include "unit/comm/values.h"

namespace polymoe {
namespace {

using testing::reduced;
using testing::run_ranks;
using testing::values_of;

constexpr c10::ScalarType kReducible[] = {c10::kFloat, c10::kDouble, c10::kBFloat16, c10::kLong};

class Collectives : public ::testing::TestWithParam<int> {
 protected:
  int size() const { return GetParam(); }
  void run(const std::function<void(Communicator&)>& body) const {
    PointToPointOptions options;
    options.piece_limit = 1000;  // longer messages are cut
    run_ranks(size(), body, options);
  }
};

INSTANTIATE_TEST_SUITE_P(Ranks, Collectives, ::testing::Range(1, 6));

TEST_P(Collectives, AllReduceEqualsTheSumInTheOrderOfRanks) {
  run([this](Communicator& world) {
    for (const c10::ScalarType type : kReducible) {
      for (const std::int64_t elements : {0, 1, 3, 100, 1001, 5003}) {
        const at::Tensor x = values_of(world.rank(), elements, type);
        world.all_reduce(x);
        EXPECT_TRUE(x.equal(reduced(size(), elements, type))) << c10::toString(type) << ", " << elements;
      }
    }
  });
}

TEST_P(Collectives, AllReduceTakesTheMaximum) {
  run([this](Communicator& world) {
    for (const c10::ScalarType type : kReducible) {
      for (const std::int64_t elements : {1, 5003}) {
        const at::Tensor x = values_of(world.rank(), elements, type);
        world.all_reduce(x, ReduceOp::kMax);
        EXPECT_TRUE(x.equal(reduced(size(), elements, type, ReduceOp::kMax))) << c10::toString(type);
      }
    }
  });
}

TEST_P(Collectives, AMaximumKeepsNotANumber) {
  run([](Communicator& world) {
    const at::Tensor x = at::full({1}, world.rank() == 0 ? NAN : 1.0, c10::kFloat);
    world.all_reduce(x, ReduceOp::kMax);
    EXPECT_TRUE(x.isnan().item<bool>());
  });
}

TEST_P(Collectives, Bfloat16SumsAccumulateInFloat32) {
  run([](Communicator& world) {
    // In bfloat16, 256 + 1 is 256 again; in float32 the ones count.
    const at::Tensor x = at::full({600}, world.rank() == 0 ? 256.0 : 1.0, c10::kBFloat16);
    world.all_reduce(x);
    const double sum = at::scalar_tensor(256.0 + world.size() - 1, c10::kBFloat16).item<double>();
    EXPECT_EQ(x[599].item<double>(), sum);
  });
}

TEST_P(Collectives, ReduceScatterGivesEachItsPartOfTheSum) {
  run([this](Communicator& world) {
    for (const c10::ScalarType type : kReducible) {
      for (const std::int64_t part : {0, 1, 700}) {
        const at::Tensor output = at::zeros({part}, type);
        world.reduce_scatter(values_of(world.rank(), part * size(), type), output);
        const at::Tensor sum = reduced(size(), part * size(), type);
        EXPECT_TRUE(output.equal(sum.narrow(0, part * world.rank(), part))) << c10::toString(type) << ", " << part;
      }
    }
  });
}

TEST_P(Collectives, AllGatherPutsInputsOneAfterTheOther) {
  run([this](Communicator& world) {
    for (const std::int64_t elements : {0, 1, 900}) {
      std::vector<at::Tensor> inputs;
      for (int rank = 0; rank < size(); ++rank) inputs.push_back(values_of(rank, elements));
      const at::Tensor output = at::zeros({elements * size()});
      world.all_gather(inputs[static_cast<std::size_t>(world.rank())], output);
      EXPECT_TRUE(output.equal(at::cat(inputs)));
    }
  });
}

TEST_P(Collectives, AllGatherTakesUnevenPartsFromTheOutputItself) {
  run([this](Communicator& world) {
    std::vector<std::int64_t> counts;
    std::vector<at::Tensor> inputs;
    for (int rank = 0; rank < size(); ++rank) {
      counts.push_back(rank % 2 == 0 ? 0 : 500 * rank);
      inputs.push_back(values_of(rank, counts.back(), c10::kHalf));
    }
    const at::Tensor expected = at::cat(inputs), output = at::zeros_like(expected);
    const auto self = static_cast<std::size_t>(world.rank());
    const at::Tensor own = output.split_with_sizes(counts)[self];
    own.copy_(inputs[self]);
    world.all_gather(own, output, counts);
    EXPECT_TRUE(output.equal(expected));
  });
}

TEST_P(Collectives, AllToAllMovesUnevenAndEmptyParts) {
  // Sender s sends receiver r (2 s + 3 r) % 5 * 120 elements: some none, some more than a piece holds.
  const auto count = [](int sender, int receiver) -> std::int64_t { return (2 * sender + 3 * receiver) % 5 * 120; };
  const auto letter = [&](int sender, int receiver) {
    return values_of(10 * sender + receiver, count(sender, receiver));
  };
  run([&](Communicator& world) {
    std::vector<std::int64_t> send_counts, receive_counts;
    std::vector<at::Tensor> sent, expected;
    for (int peer = 0; peer < size(); ++peer) {
      send_counts.push_back(count(world.rank(), peer));
      receive_counts.push_back(count(peer, world.rank()));
      sent.push_back(letter(world.rank(), peer));
      expected.push_back(letter(peer, world.rank()));
    }
    const at::Tensor output = at::zeros_like(at::cat(expected));
    world.all_to_all(at::cat(sent), send_counts, output, receive_counts);
    EXPECT_TRUE(output.equal(at::cat(expected)));
  });
}

TEST_P(Collectives, BroadcastFromEachRoot) {
  run([this](Communicator& world) {
    for (int root = 0; root < size(); ++root) {
      for (const std::int64_t elements : {0, 1, 3, 2000}) {
        const at::Tensor x = values_of(world.rank(), elements);
        world.broadcast(x, root);
        EXPECT_TRUE(x.equal(values_of(root, elements)));
      }
    }
  });
}

TEST_P(Collectives, NobodyLeavesABarrierBeforeAllHaveCome) {
  std::atomic<int> come{0};
  run([&](Communicator& world) {
    for (int round = 1; round <= 3; ++round) {
      ++come;
      world.barrier();
      EXPECT_GE(come.load(), round * size());
      world.barrier();
    }
  });
}

TEST_P(Collectives, GroupsHaveTheirOwnRanksAndOrder) {
  run([this](Communicator& world) {
    // Odd and even ranks apart, the even ones in descending order.
    std::vector<int> members;
    for (int rank = world.rank() % 2; rank < size(); rank += 2) members.push_back(rank);
    if (world.rank() % 2 == 0) std::reverse(members.begin(), members.end());
    const std::unique_ptr<Communicator> group = world.make_group("parity", members);
    EXPECT_EQ(group->world_ranks(), members);
    EXPECT_EQ(members[static_cast<std::size_t>(group->rank())], world.rank());

    const at::Tensor output = at::zeros({group->size()}, c10::kLong);
    group->all_gather(at::full({1}, world.rank(), c10::kLong), output);
    for (int i = 0; i < group->size(); ++i) EXPECT_EQ(output[i].item<int>(), members[static_cast<std::size_t>(i)]);

    const std::unique_ptr<Communicator> inner = group->make_group("inner", {group->rank()});
    EXPECT_EQ(inner->world_ranks(), std::vector<int>{world.rank()});
    const at::Tensor alone = values_of(world.rank(), 700);
    inner->all_reduce(alone);
    EXPECT_TRUE(alone.equal(values_of(world.rank(), 700)));
  });
}

}  // namespace
}  // namespace polymoe
