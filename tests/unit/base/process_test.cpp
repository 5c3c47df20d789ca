#include "polymoe/base/process.h"

#include <stdexcept>

#include <gtest/gtest.h>

#include "polymoe/base/error.h"

namespace polymoe {
namespace {

TEST(RunProcess, KeepsOutputErrorsAndExitCode) {
  const ProcessResult result = run_process({"sh", "-c", "echo out; echo err >&2; exit 3"});
  EXPECT_EQ(result.output, "out\n");
  EXPECT_EQ(result.errors, "err\n");
  EXPECT_EQ(result.exit_code, 3);
}

TEST(RunProcess, PassesArgumentsAsTheyAre) {
  EXPECT_EQ(run_process({"printf", "%s|", "a b", "$HOME", "*"}).output, "a b|$HOME|*|");
}

TEST(RunProcess, DrainsBothPipesWhateverTheirSize) {
  // More than a pipe holds (64 KiB) on both, so that reading one to its end first would wait for ever.
  const ProcessResult result = run_process({"sh", "-c", "head -c 300000 /dev/zero >&2; head -c 300000 /dev/zero"});
  EXPECT_EQ(result.output.size(), 300000u);
  EXPECT_EQ(result.errors.size(), 300000u);
}

TEST(RunProcess, RunsInTheFolderWithAPlainLocaleAndNoInput) {
  EXPECT_EQ(run_process({"pwd"}, "/").output, "/\n");
  EXPECT_EQ(run_process({"sh", "-c", "echo $LC_ALL; cat"}).output, "C\n");
}

TEST(RunProcess, TellsTheSignalThatEndedIt) { EXPECT_EQ(run_process({"sh", "-c", "kill -9 $$"}).exit_code, 128 + 9); }

TEST(RunProcess, ThrowsForAProgramThatIsNotThere) { EXPECT_THROW(run_process({"polymoe-no-such-program"}), Error); }

TEST(RunProcess, EndsTheProgramWhenTheWaitingIsBrokenOff) {
  const auto break_off = [] { throw std::runtime_error("enough"); };
  EXPECT_THROW(run_process({"sleep", "600"}, {}, break_off), std::runtime_error);
}

}  // namespace
}  // namespace polymoe
