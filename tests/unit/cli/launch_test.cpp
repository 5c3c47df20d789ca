#include "polymoe/cli/launch.h"

#include <gtest/gtest.h>

namespace polymoe::cli {
namespace {

TEST(Launch, HandsOnAllArgumentsButTheNumberOfProcesses) {
  using Words = std::vector<std::string>;
  EXPECT_EQ(without_processes({"train", "--processes", "4", "--path", "data"}), (Words{"train", "--path", "data"}));
  EXPECT_EQ(without_processes({"train", "--processes=4", "-v"}), (Words{"train", "-v"}));
  EXPECT_EQ(without_processes({"train", "--processes"}), (Words{"train"}));
}

}  // namespace
}  // namespace polymoe::cli
