#include "base/leftovers.h"

#include <string>

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

namespace polymoe {
namespace {

std::string dead_process() {
  const pid_t child = fork();
  if (child == 0) _exit(0);
  waitpid(child, nullptr, 0);
  return std::to_string(child);
}

TEST(Leftovers, NamesWhatADeadProcessWasWriting) {
  const std::string dead = dead_process();
  EXPECT_EQ(left_by_dead_process("report.html.partial-" + dead, ".partial-"), "report.html");
  EXPECT_EQ(left_by_dead_process("a.partial-1.partial-" + dead, ".partial-"), "a.partial-1");
  EXPECT_EQ(left_by_dead_process("checkpoint-best.old-" + dead, ".old-"), "checkpoint-best");
  EXPECT_EQ(left_by_dead_process("report.html.partial-" + dead, ".old-"), std::nullopt);
}

TEST(Leftovers, LeavesWhatALivingProcessWritesAndWhatIsNotOurs) {
  for (const std::string& end : {std::to_string(getppid()), std::string("x"), std::string(""), std::string("-1"),
                                 std::string("0"), std::string("12x"), std::string("99999999999999999999")}) {
    EXPECT_EQ(left_by_dead_process("report.html.partial-" + end, ".partial-"), std::nullopt) << end;
  }
  EXPECT_EQ(left_by_dead_process("report.html", ".partial-"), std::nullopt);
}

}  // namespace
}  // namespace polymoe
