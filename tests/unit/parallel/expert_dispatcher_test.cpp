#include "polymoe/parallel/expert_dispatcher.h"
#include "polymoe/config/model_options.h"
#include "polymoe/config/parallel_options.h"
#include "polymoe/nn/context.h"

#include <gtest/gtest.h>

#include "polymoe/nn/moe/capacity.h"
#include "polymoe/parallel/model_axis.h"
#include "polymoe/tensor/torch_headers.h"
#include "support/thread_communicator.h"

namespace polymoe {
namespace {

constexpr std::int64_t kHidden = 3;
constexpr std::int64_t kExperts = 4;

struct DispatchCase {
  std::string name;
  std::int64_t expert = 1;
  std::int64_t model = 1;
  bool sliced = true;
  std::string capacity = "dropless";
  std::int64_t top_k = 1;
  bool hierarchical = false;  // two members of the expert group on each node
  std::int64_t runs = 1;
};

// Token t of the micro-batch of batch rank `rank`. Rank 1 has no tokens; expert 3 gets none from anyone.
std::int64_t tokens_of(std::int64_t rank) { return rank == 1 ? 0 : 7 + 2 * rank; }
at::Tensor inputs_of(std::int64_t rank) {
  return at::arange(tokens_of(rank) * kHidden, at::kFloat).view({-1, kHidden}) + 100.0 * static_cast<double>(rank);
}
at::Tensor choices_of(std::int64_t rank, std::int64_t top_k) {
  at::Tensor ids = at::empty({tokens_of(rank), top_k}, at::kLong);
  for (std::int64_t t = 0; t < ids.size(0); ++t) {
    for (std::int64_t j = 0; j < top_k; ++j) ids[t][j] = (t * t + rank + j) % 3;
  }
  return ids;
}

MoeOptions moe_options_of(const DispatchCase& c) {
  MoeOptions options;
  options.experts = kExperts;
  options.top_k = c.top_k;
  options.capacity = from_word<CapacityKind>(c.capacity);
  options.min_capacity = 1;
  return options;
}

// What a run of experts makes of its inputs: expert e multiplies by 2 + e. A slice gives its share.
at::Tensor apply_experts(const ExpertInputs& inputs, std::int64_t first_expert, double share) {
  const auto* begin = inputs.expert_begin.const_data_ptr<std::int64_t>();
  at::Tensor factors = at::empty({inputs.rows.size(0), 1});
  for (std::int64_t e = 0; e + 1 < inputs.expert_begin.size(0); ++e) {
    factors.narrow(0, begin[e], begin[e + 1] - begin[e]).fill_(share * static_cast<double>(2 + first_expert + e));
  }
  return inputs.rows * factors;
}

struct Dispatched {
  at::Tensor y, grad_x, grad_weights;
  std::vector<ExpertInputs> inputs;  // of every run
};

Dispatched pass(Dispatcher& dispatcher, const DispatchCase& c, std::int64_t rank, std::int64_t first_expert,
                double share) {
  const MoeOptions options = moe_options_of(c);
  const at::Tensor x = inputs_of(rank).requires_grad_();
  const at::Tensor ids = choices_of(rank, c.top_k);
  ForwardContext context;
  context.training = true;
  context.micro_batch = static_cast<std::uint64_t>(10 + rank);
  const std::int64_t capacity = expert_capacity(options, x.size(0), true);
  const ExpertLimit limit{.capacity = capacity,
                          .selection = {options.random_token_selection, context.random_key("test")},
                          .exchange_capacity = expert_capacity(options, tokens_of(3), true)};
  const Routing routing = make_routing({kExperts, ids, {}}, limit);
  const at::Tensor weights = (at::arange(ids.numel(), at::kFloat).view(ids.sizes()) + 1).requires_grad_();
  const std::unique_ptr<Dispatch> dispatch = dispatcher.dispatch(x, routing, context.micro_batch);
  Dispatched result;
  const std::vector<std::int64_t> runs = dispatch->runs();
  for (std::size_t run = 0; run < runs.size(); ++run) {
    ExpertInputs inputs = dispatch->receive(run);
    dispatch->send_back(run, apply_experts(inputs, first_expert, share));
    first_expert += runs[run];
    inputs.rows = inputs.rows.detach();
    result.inputs.push_back(std::move(inputs));
  }
  const at::Tensor y = dispatch->combine(weights);
  (y * (at::arange(y.numel(), at::kFloat).view(y.sizes()) + 1)).sum().backward();
  result.y = y.detach();
  result.grad_x = x.grad();
  result.grad_weights = weights.grad();
  return result;
}

class ExpertDispatch : public ::testing::TestWithParam<DispatchCase> {};

TEST_P(ExpertDispatch, GivesWhatExpertsInOneProcessGive) {
  const DispatchCase c = GetParam();
  testing::run_ranks(static_cast<int>(c.expert * c.model), [&](Communicator& world) {
    ModelOptions model;
    model.moe = moe_options_of(c);
    ParallelOptions parallel{.expert = c.expert, .tensor = c.model};
    parallel.expert_slicing = c.sliced ? ExpertSlicing::kSliced : ExpertSlicing::kWhole;
    const ParallelLayout layout(parallel, model, world);
    const auto axis = std::make_shared<GroupModelAxis>(layout.tensor_group());
    Communicator& experts = layout.expert_group();
    auto exchange =
        c.hierarchical ? make_hierarchical_all_to_all(experts, {0, 0, 1, 1}) : make_flat_all_to_all(experts);
    const auto dispatcher = make_dispatcher(layout, c.sliced, c.runs, std::move(exchange), axis);
    const std::int64_t rank = layout.data_parallel_rank();
    const double share = c.sliced && c.model > 1 ? (layout.tensor_rank() == 0 ? 0.25 : 0.75) : 1.0;
    const Dispatched got = pass(*dispatcher, c, rank, layout.expert_rank() * kExperts / c.expert, share);

    LocalDispatcher local;
    const Dispatched expected = pass(local, c, rank, 0, 1.0);
    EXPECT_TRUE(at::allclose(got.y, expected.y));
    EXPECT_TRUE(at::allclose(got.grad_x, expected.grad_x));
    EXPECT_TRUE(at::allclose(got.grad_weights, expected.grad_weights));

    // Random numbers go by micro-batch and name: each row here has the one that it has in its own process.
    EXPECT_EQ(got.inputs.size(), static_cast<std::size_t>(c.runs));
    for (const ExpertInputs& inputs : got.inputs) {
      for (const SlotSegment& segment : inputs.segments) {
        const auto source = static_cast<std::int64_t>(segment.micro_batch) - 10;
        const ExpertInputs alone = pass(local, c, source, 0, 1.0).inputs[0];
        for (std::int64_t i = 0; i < segment.count; ++i) {
          const std::int64_t name = segment.first_name + i;
          for (const SlotSegment& there : alone.segments) {
            if (name < there.first_name || name >= there.first_name + there.count) continue;
            EXPECT_TRUE(at::equal(inputs.rows[segment.begin + i], alone.rows[there.begin + name - there.first_name]));
          }
        }
      }
    }
  });
}

INSTANTIATE_TEST_SUITE_P(Layouts, ExpertDispatch,
                         ::testing::ValuesIn(std::vector<DispatchCase>{
                             {"E2", 2},
                             {"E4", 4},
                             {"E4Top2", 4, 1, true, "dropless", 2},
                             {"E2Limited", 2, 1, true, "limited"},
                             {"E4LimitedTop2", 4, 1, true, "limited", 2},
                             {"M2", 1, 2},
                             {"M2Whole", 1, 2, false},
                             {"E2M2", 2, 2},
                             {"E2M2Limited", 2, 2, true, "limited"},
                             {"E2M2Whole", 2, 2, false},
                             {"E2M2WholeLimitedTop2", 2, 2, false, "limited", 2},
                             {"E4M2", 4, 2, true, "limited"},
                             {"E4Hierarchical", 4, 1, true, "dropless", 2, true},
                             {"E4LimitedHierarchical", 4, 1, true, "limited", 1, true},
                             {"E4M2Hierarchical", 4, 2, false, "dropless", 1, true},
                             {"E2TwoRuns", 2, 1, true, "dropless", 2, false, 2},
                             {"E2LimitedTwoRuns", 2, 1, true, "limited", 1, false, 2},
                             {"E2M2TwoRuns", 2, 2, true, "limited", 2, false, 2},
                             {"E2M2WholeTwoRuns", 2, 2, false, "dropless", 2, false, 2}}),
                         [](const auto& info) { return info.param.name; });

// Rows of `rank` that go to experts of other processes.
std::int64_t rows_sent(std::int64_t rank, std::int64_t degree) {
  const at::Tensor owner = at::floor_divide(choices_of(rank, 1), kExperts / degree);
  return (owner != rank).sum().item<std::int64_t>();
}
std::int64_t rows_received(std::int64_t rank, std::int64_t degree) {
  std::int64_t rows = 0;
  for (std::int64_t source = 0; source < degree; ++source) {
    const at::Tensor owner = at::floor_divide(choices_of(source, 1), kExperts / degree);
    if (source != rank) rows += (owner == rank).sum().item<std::int64_t>();
  }
  return rows;
}

std::int64_t bytes_of_pass(const DispatchCase& c, Communicator& world, std::int64_t& calls) {
  ModelOptions model;
  model.moe = moe_options_of(c);
  const ParallelLayout layout({.expert = c.expert}, model, world);
  const auto dispatcher =
      make_dispatcher(layout, true, 1, make_flat_all_to_all(layout.expert_group()), std::make_shared<ModelAxis>());
  pass(*dispatcher, c, layout.data_parallel_rank(), layout.expert_rank() * kExperts / c.expert, 1.0);
  calls = layout.expert_group().count(Collective::kAllToAll).calls;
  return layout.expert_group().count(Collective::kAllToAll).bytes;
}

TEST(ExpertDispatchBytes, DroplessSendsNumbersOnceAndEachTokenThereAndBackTwice) {
  for (const std::int64_t degree : {2, 4}) {
    testing::run_ranks(static_cast<int>(degree), [&](Communicator& world) {
      std::int64_t calls = 0;
      const std::int64_t bytes = bytes_of_pass({"", degree}, world, calls);
      const std::int64_t rank = world.rank(), row_bytes = kHidden * 4;
      const std::int64_t numbers = (degree - 1) * (kExperts / degree) * 8;
      // Forward: tokens out, results of received ones back. Backward: the same rows the other way.
      EXPECT_EQ(bytes, numbers + 2 * (rows_sent(rank, degree) + rows_received(rank, degree)) * row_bytes);
      EXPECT_EQ(calls, 5);
    });
  }
}

// Rows of `source` that the capacity leaves for expert `expert`.
std::int64_t rows_kept(const MoeOptions& options, std::int64_t source, std::int64_t expert) {
  const std::int64_t chosen = (choices_of(source, 1) == expert).sum().item<std::int64_t>();
  return std::min(chosen, expert_capacity(options, tokens_of(source), true));
}

TEST(ExpertDispatchBytes, LimitedDispatchesInOneExchangeOfTheCapacitysSize) {
  constexpr std::int64_t kDegree = 4;  // an expert on each
  const DispatchCase c{"", kDegree, 1, true, "limited"};
  testing::run_ranks(kDegree, [&](Communicator& world) {
    const MoeOptions options = moe_options_of(c);
    std::int64_t calls = 0;
    const std::int64_t bytes = bytes_of_pass(c, world, calls);
    EXPECT_EQ(calls, 4) << "dispatch, combine, and their backwards";

    std::int64_t sent = 0, received = 0;
    for (std::int64_t other = 0; other < kDegree; ++other) {
      if (other == world.rank()) continue;
      sent += rows_kept(options, world.rank(), other);
      received += rows_kept(options, other, world.rank());
    }
    const std::int64_t row_bytes = kHidden * 4, capacity = expert_capacity(options, tokens_of(3), true);
    const std::int64_t front = 1;  // 8 bytes of numbers in rows of 12
    const std::int64_t dispatch = (kDegree - 1) * (front + capacity) * row_bytes;
    // The results of received rows, their gradients on the way back to the sources, and those of sent rows' results.
    EXPECT_EQ(bytes, dispatch + (2 * received + sent) * row_bytes);
  });
}

TEST(ExpertDispatchBytes, NothingIsExchangedAtExpertDegreeOne) {
  testing::run_ranks(2, [&](Communicator& world) {
    for (const bool sliced : {true, false}) {
      ModelOptions model;
      const DispatchCase c{"", 1, 2, sliced};
      model.moe = moe_options_of(c);
      ParallelOptions parallel{.tensor = 2};
      parallel.expert_slicing = sliced ? ExpertSlicing::kSliced : ExpertSlicing::kWhole;
      const ParallelLayout layout(parallel, model, world);
      const auto axis = std::make_shared<GroupModelAxis>(layout.tensor_group());
      const auto dispatcher = make_dispatcher(layout, sliced, 1, make_flat_all_to_all(layout.expert_group()), axis);
      pass(*dispatcher, c, 0, 0, 0.5);
      EXPECT_EQ(layout.expert_group().counts(), CollectiveCounts{});
    }
  });
}

}  // namespace
}  // namespace polymoe
