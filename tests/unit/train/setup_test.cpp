#include "polymoe/train/setup.h"

#include <gmock/gmock.h>

#include "polymoe/base/error.h"
#include "unit/train/training_test.h"

namespace polymoe {
namespace {

class TrainSetupTest : public TrainingTest {
 protected:
  static std::string message_of(const RunOptions& options) {
    try {
      const std::unique_ptr<Communicator> alone = make_self_communicator();
      const TrainSetup setup(options, *alone);
    } catch (const Error& error) {
      return error.what();
    }
    return "nothing is wrong";
  }
};

TEST_F(TrainSetupTest, TakesFromTheDataWhatTheModelMustKnow) {
  make_number_data();
  RunOptions options = run_options("run");
  options.model.max_positions = 8;
  const std::unique_ptr<Communicator> alone = make_self_communicator();
  const TrainSetup setup(options, *alone);
  EXPECT_EQ(setup.options.model.vocabulary, 54);
  EXPECT_EQ(setup.options.model.max_positions, options.data.max_length + 2);
  std::vector<std::string> directions;
  for (const Direction& direction : training_directions(setup.stream)) directions.push_back(direction.name());
  EXPECT_THAT(directions, ::testing::UnorderedElementsAre("en-xx", "xx-en"));
  EXPECT_FALSE(std::filesystem::exists(options.train.output)) << "the run's folder is not its affair";
}

TEST_F(TrainSetupTest, RefusesOptionsThatFitNoData) {
  make_number_data();
  RunOptions options = run_options("run");
  options.model.vocabulary = 50;
  EXPECT_THAT(message_of(options), ::testing::HasSubstr("has 54 entries"));
  options = run_options("run");
  options.data.path.clear();
  EXPECT_THAT(message_of(options), ::testing::HasSubstr("data.path"));
  options = run_options("run");
  options.train.output.clear();
  EXPECT_THAT(message_of(options), ::testing::HasSubstr("train.output"));
}

TEST_F(TrainSetupTest, FindsBeforeTheModelIsMadeThatItDoesNotFit) {
  make_number_data();
  const std::unique_ptr<Communicator> alone = make_self_communicator();
  RunOptions options = TrainSetup(run_options("run"), *alone).options;
  check_fits(options, *alone);
  options.train.device_memory = 1e-6;  // a thousand bytes
  EXPECT_THROW(check_fits(options, *alone), Error);
}

}  // namespace
}  // namespace polymoe
