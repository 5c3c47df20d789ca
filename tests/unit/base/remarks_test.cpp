#include "polymoe/base/remarks.h"

#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/log_capture.h"

namespace polymoe {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(Remarks, AreWarningsToldOnce) {
  const testing::LogCapture log;
  remark("a line is left out", {"a.en", 3}, "repair it");
  remark("a line is left out", {"a.en", 3}, "repair it");
  remark("a line is left out", {"a.en", 4}, "repair it");
  EXPECT_THAT(log.warnings(),
              ElementsAre("a.en:3: a line is left out; repair it", "a.en:4: a line is left out; repair it"));
}

TEST(Remarks, AreErrorsWhereStrict) {
  const testing::LogCapture log;
  set_strict(true);
  try {
    remark("a line is left out", {"a.en", 3}, "repair it");
    FAIL() << "no exception";
  } catch (const Error& error) {
    EXPECT_EQ(error.where().line, 3u);
    EXPECT_THAT(error.what(), HasSubstr("a line is left out (an error with --strict); repair it"));
  }
  set_strict(false);
  EXPECT_THAT(log.warnings(), ElementsAre());
}

TEST(Remarks, OfAKindAreAllCountedAndTheFirstTold) {
  const testing::LogCapture log;
  RemarkTally tally("lines that were cut");
  tally.finish();
  for (std::uint64_t line = 1; line <= 100; ++line) tally.add("cut", {"a.en", line});
  tally.finish();
  EXPECT_EQ(tally.count(), 100u);
  ASSERT_EQ(log.warnings().size(), RemarkTally::kTold + 1);
  EXPECT_EQ(log.warnings().front(), "a.en:1: cut");
  EXPECT_EQ(log.warnings().back(), "lines that were cut: 100");
}

}  // namespace
}  // namespace polymoe
