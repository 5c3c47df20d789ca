#include "polymoe/train/run_state.h"

#include <nlohmann/json.hpp>

#include "polymoe/checkpoint/model_checkpoint.h"
#include "polymoe/tensor/torch_headers.h"
#include "unit/train/training_test.h"

namespace polymoe {
namespace {

class RunStateTest : public TrainingTest {
 protected:
  RunStateTest() : alone_(make_self_communicator()) { make_number_data(); }

  // As if one update had been done.
  static void go_on(RunState& run, TrainSetup& setup) {
    setup.stream.next();
    ++run.train.update;
    run.counters.target_tokens += 100;
    run.window.updates = run.train.update;
    run.window.tasks[0] = {.loss = 1.5, .nll = 1.25, .tokens = 100};
  }

  std::unique_ptr<Communicator> alone_;
};

TEST_F(RunStateTest, GoesOnWhereItWasSaved) {
  const RunOptions options = run_options("run");
  MicroBatch expected;
  at::Tensor weights;
  {
    TrainSetup setup(options, *alone_);
    RunState run(setup);
    EXPECT_FALSE(run.folder.latest());
    go_on(run, setup);
    run.counters.seconds = 12.5;
    run.counters.cpu_seconds = 20.5;
    run.save();
    expected = setup.stream.next();
    weights = run.train.model->parameters().front().clone();
  }
  TrainSetup setup(options, *alone_);
  RunState run(setup);
  EXPECT_EQ(run.folder.latest()->filename(), checkpoint_name(1));
  EXPECT_EQ(run.train.update, 1);
  EXPECT_EQ(run.counters.target_tokens, 100);
  EXPECT_EQ(run.counters.seconds, 12.5);
  EXPECT_EQ(run.counters.cpu_seconds, 20.5);
  EXPECT_EQ(run.window.updates, 1);
  EXPECT_EQ(run.window.tasks.at(0).nll, 1.25);
  EXPECT_EQ(setup.stream.next().source, expected.source);
  EXPECT_TRUE(at::equal(run.train.model->parameters().front(), weights));
}

TEST_F(RunStateTest, SavesNothingTwice) {
  TrainSetup setup(run_options("run"), *alone_);
  RunState run(setup);
  const auto checkpoints = [&] {
    int count = 0;
    for (const auto& entry : std::filesystem::directory_iterator(setup.options.train.output)) {
      if (entry.path().filename().string().starts_with(kCheckpointPrefix)) ++count;
    }
    return count;
  };
  go_on(run, setup);
  run.save();
  std::filesystem::remove_all(*run.folder.newest());
  run.save();
  EXPECT_EQ(checkpoints(), 0) << "the same update is saved again";
  go_on(run, setup);
  run.save();
  EXPECT_EQ(checkpoints(), 1);
}

TEST_F(RunStateTest, ForgetsWhatWasBestWhenThatIsGone) {
  const RunOptions options = run_options("run");
  const auto best_of_next = [&](const RunOptions& now) {
    TrainSetup setup(now, *alone_);
    return RunState(setup).counters.best;
  };
  {
    TrainSetup setup(options, *alone_);
    RunState run(setup);
    go_on(run, setup);
    run.counters.best = 40.0;
    run.save_best();
    run.save();
  }
  EXPECT_EQ(best_of_next(options), 40.0);
  RunOptions other = options;
  other.train.keep_best = ValidMetric::kLoss;
  EXPECT_EQ(best_of_next(other), std::nullopt);
  std::filesystem::remove_all(std::filesystem::path(options.train.output) / kBestCheckpoint);
  EXPECT_EQ(best_of_next(options), std::nullopt);
}

}  // namespace
}  // namespace polymoe
