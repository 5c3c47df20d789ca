#include "polymoe/plan/memory.h"

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "polymoe/base/error.h"
#include "polymoe/parallel/parallel_model.h"
#include "polymoe/plan/check.h"
#include "polymoe/plan/search.h"
#include "polymoe/tensor/torch_headers.h"
#include "support/temporary_folder.h"
#include "support/thread_communicator.h"
#include "unit/parallel/distributed_training.h"

namespace polymoe {
namespace {

RunOptions planned_options() {
  RunOptions options = testing::tiny_run();
  options.train.max_tokens = 64;
  return options;
}

struct PlannedLayout {
  const char* name;
  std::int64_t data, expert, model, stage;
  Tier optimizer;
  Tier gradients;
  Tier parameters;
  const char* precision = "float32";
  bool whole_experts = false;
  bool delayed = false;
  std::int64_t micro_batches = 4;
};

std::ostream& operator<<(std::ostream& out, const PlannedLayout& layout) { return out << layout.name; }

RunOptions options_of(const PlannedLayout& layout, const std::string& folder) {
  RunOptions options = planned_options();
  options.parallel.data = layout.data;
  options.parallel.expert = layout.expert;
  options.parallel.tensor = layout.model;
  options.parallel.zero_stage = layout.stage;
  options.parallel.expert_slicing = layout.whole_experts ? ExpertSlicing::kWhole : ExpertSlicing::kSliced;
  options.offload = {layout.optimizer, layout.gradients, layout.parameters, Tier::kDevice, folder, layout.delayed};
  options.train.precision = from_word<NumberFormat>(layout.precision);
  options.train.micro_batches = layout.micro_batches;
  return options;
}

class PlannedState : public ::testing::TestWithParam<PlannedLayout> {};

// The arithmetic of the plan against buffers that exist.
TEST_P(PlannedState, IsThatOfTheStore) {
  const testing::TemporaryFolder folder;
  const RunOptions options = options_of(GetParam(), folder.path().string());
  const Degrees degrees{GetParam().data, GetParam().expert, GetParam().model};
  const MemoryPlan plan = plan_memory(options, degrees);
  testing::run_ranks(static_cast<int>(degrees.world()), [&](Communicator& world) {
    ParallelModel model(options, world);
    const StoreBytes bytes = model.store.bytes();
    if (world.rank() > 0) return;  // slices of a vocabulary may differ by a row
    EXPECT_EQ(plan.disk, bytes.files);
    if (bytes.files == 0) {
      EXPECT_EQ(plan.state() + plan.host, bytes.total());
    } else {  // how much of the window is filled depends on what was used last
      EXPECT_LE(bytes.total(), plan.state() + plan.host + plan.host_in_update);
    }
  });
}

// Both read one description of a unit's buffers: whatever adds one adds the same to the plan and to the store.
TEST(MemoryPlan, MovesAsTheStoreDoesWithEveryOptionThatAddsBuffers) {
  const testing::TemporaryFolder folder;
  const PlannedLayout plain{"", 1, 1, 1, 3, Tier::kDevice, Tier::kDevice, Tier::kDevice};
  struct Bytes {
    std::int64_t planned, held;
  };
  const auto bytes_of = [&](const PlannedLayout& layout, double ema) {
    RunOptions options = options_of(layout, folder.path().string());
    options.train.ema = ema;
    const MemoryPlan plan = plan_memory(options, {});
    const std::unique_ptr<Communicator> alone = make_self_communicator();
    return Bytes{plan.state() + plan.host, ParallelModel(options, *alone).store.bytes().total()};
  };
  const Bytes before = bytes_of(plain, 0.0);
  EXPECT_EQ(before.planned, before.held);
  PlannedLayout narrow = plain, late = plain;
  narrow.precision = "bfloat16";
  late.optimizer = Tier::kHost;
  late.delayed = true;
  for (const auto& [layout, ema] :
       std::vector<std::pair<PlannedLayout, double>>{{plain, 0.999}, {narrow, 0.0}, {late, 0.0}, {late, 0.999}}) {
    const Bytes after = bytes_of(layout, ema);
    EXPECT_NE(after.held, before.held);
    EXPECT_EQ(after.planned - before.planned, after.held - before.held);
  }
}

INSTANTIATE_TEST_SUITE_P(
    Layouts, PlannedState,
    ::testing::Values(
        PlannedLayout{"Alone", 1, 1, 1, 0, Tier::kDevice, Tier::kDevice, Tier::kDevice},
        PlannedLayout{"AloneHost", 1, 1, 1, 3, Tier::kHost, Tier::kHost, Tier::kHost},
        PlannedLayout{"AloneFile", 1, 1, 1, 3, Tier::kFile, Tier::kFile, Tier::kFile},
        PlannedLayout{"AloneBFloat16", 1, 1, 1, 0, Tier::kDevice, Tier::kDevice, Tier::kDevice, "bfloat16"},
        PlannedLayout{"AloneBFloat16OneMicroBatch", 1, 1, 1, 0, Tier::kDevice, Tier::kDevice, Tier::kDevice, "bfloat16",
                      false, false, 1},
        PlannedLayout{"AloneFloat16Z3", 1, 1, 1, 3, Tier::kHost, Tier::kDevice, Tier::kDevice, "float16"},
        PlannedLayout{"AloneDelayed", 1, 1, 1, 0, Tier::kHost, Tier::kDevice, Tier::kDevice, "float32", false, true},
        PlannedLayout{"D2Z1", 2, 1, 1, 1, Tier::kDevice, Tier::kDevice, Tier::kDevice},
        PlannedLayout{"D2Z2", 2, 1, 1, 2, Tier::kDevice, Tier::kHost, Tier::kDevice},
        PlannedLayout{"E2", 1, 2, 1, 0, Tier::kDevice, Tier::kDevice, Tier::kDevice},
        PlannedLayout{"D2E2Z3", 2, 2, 1, 3, Tier::kDevice, Tier::kDevice, Tier::kDevice},
        PlannedLayout{"E2M2Z2", 1, 2, 2, 2, Tier::kHost, Tier::kHost, Tier::kDevice},
        PlannedLayout{"D2M2WholeZ3", 2, 1, 2, 3, Tier::kDevice, Tier::kDevice, Tier::kDevice, "bfloat16", true}),
    [](const auto& info) { return std::string(info.param.name); });

TEST(PlannedMemory, RecomputationKeepsLess) {
  RunOptions options = planned_options();
  options.train.max_tokens = 4096;
  const MemoryPlan all = plan_memory(options, {});
  options.parallel.recompute = true;
  const MemoryPlan inputs = plan_memory(options, {});
  EXPECT_LT(inputs.activations, all.activations);
  EXPECT_EQ(inputs.state(), all.state());
}

TEST(CheckMemory, RefusesAStateThatIsTooLargeAndNamesWhatHelps) {
  RunOptions options = planned_options();
  const MemoryPlan plan = plan_memory(options, {});
  try {
    check_memory(options, {}, {.device = plan.state() - 1});
    FAIL() << "fits";
  } catch (const Error& error) {
    const std::string message = error.what();
    EXPECT_NE(message.find("train.device-memory: over"), std::string::npos) << message;
    EXPECT_NE(message.find("optimizer"), std::string::npos) << message;
    EXPECT_NE(message.find("host should fit"), std::string::npos) << message;
  }
}

TEST(CheckMemory, WarnsWhereActivationsAloneAreTooMuch) {
  const RunOptions options = planned_options();
  const MemoryPlan plan = plan_memory(options, {});
  EXPECT_EQ(check_memory(options, {}, {.device = plan.device()}), "");
  EXPECT_NE(check_memory(options, {}, {.device = plan.device() - 1}), "");
}

PlannerOptions clustered_options() {
  PlannerOptions options{planned_options(), {}};
  options.cluster.devices = 8;
  options.train.micro_batches = 8;
  return options;
}

TEST(RankPlans, PutsTheFastestOfThoseThatFitFirst) {
  const std::vector<Plan> plans = rank_plans(clustered_options());
  ASSERT_FALSE(plans.empty());
  EXPECT_TRUE(plans.front().fits);
  for (std::size_t i = 1; i < plans.size(); ++i) {
    if (!plans[i].fits) continue;
    EXPECT_TRUE(plans[i - 1].fits);
    EXPECT_LE(plans[i - 1].time.total(), plans[i].time.total());
  }
  for (const Plan& plan : plans) EXPECT_EQ(plan.degrees.world(), 8);
}

TEST(RankPlans, LessMemoryWantsMoreSharing) {
  PlannerOptions options = clustered_options();
  options.cluster.reserved_memory = 0;
  const std::int64_t alone = plan_memory(options, {8, 1, 1}).device();
  options.cluster.device_memory = static_cast<double>(alone) / 4e9;
  const std::vector<Plan> plans = rank_plans(options);
  ASSERT_TRUE(plans.front().fits);
  EXPECT_LE(plans.front().memory.device(), alone / 4);
}

TEST(RankPlans, ADeviceWithoutMemoryOfItsOwnSharesThatOfItsHost) {
  PlannerOptions options = clustered_options();
  options.cluster.devices = options.cluster.node_devices = 2;
  options.cluster.device_memory = 0;
  options.cluster.reserved_memory = 0;
  options.parallel.expert = 2;
  options.parallel.zero_stage = 2;
  options.offload.optimizer = Tier::kHost;
  const std::int64_t together = plan_of(options).memory.together();
  options.cluster.host_memory = static_cast<double>(2 * together) / 1e9 + 1e-6;
  const Plan fits = plan_of(options);
  EXPECT_TRUE(fits.fits);
  EXPECT_EQ(fits.needed, together);
  options.cluster.host_memory = static_cast<double>(2 * together) / 1e9 - 1e-6;
  EXPECT_FALSE(plan_of(options).fits);
}

TEST(LargestModels, OffloadAndSlicingHoldMore) {
  PlannerOptions options = clustered_options();
  options.cluster.reserved_memory = 0;
  options.cluster.device_memory = 0.002;
  const std::vector<LargestModel> models = largest_models(options);
  std::map<std::string, std::int64_t> parameters;
  for (const LargestModel& model : models) parameters[model.mode] = model.plan.parameters;
  ASSERT_TRUE(parameters.count("E+Z"));
  EXPECT_GT(parameters["E+Z-Off+M"], 2 * parameters["E+Z"]);
}

}  // namespace
}  // namespace polymoe
