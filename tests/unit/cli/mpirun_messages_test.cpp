#include "polymoe/cli/mpirun_messages.h"

#include <gtest/gtest.h>

namespace polymoe::cli {
namespace {

const std::string kRule = std::string(74, '-') + "\n";

std::string shown(const std::string& text, std::size_t piece = 7) {
  MpirunMessages messages;
  std::string result;
  for (std::size_t begin = 0; begin < text.size(); begin += piece) result += messages.take(text.substr(begin, piece));
  return result + messages.finish();
}

TEST(MpirunMessages, PassesWhatProcessesSay) {
  EXPECT_EQ(shown("12:00:00 update 1\n--- a line of dashes in text ---\nhalf a line"),
            "12:00:00 update 1\n--- a line of dashes in text ---\nhalf a line");
}

TEST(MpirunMessages, LeavesOutWhatFollowsAReportedFailure) {
  const std::string banner = kRule +
                             "MPI_ABORT was invoked on rank 1 in communicator MPI_COMM_WORLD\nwith errorcode 1.\n\n"
                             "NOTE: invoking MPI_ABORT causes Open MPI to kill all MPI processes.\n" +
                             kRule;
  EXPECT_EQ(shown("polymoe: error: rank 1: no\n" + banner +
                  "[vm:1] 1 more process has sent help message help-mpi-api.txt / mpi-abort\n"
                  "[vm:1] Set MCA parameter \"orte_base_help_aggregate\" to 0 to see all help / error messages\n"),
            "polymoe: error: rank 1: no\n");
}

TEST(MpirunMessages, ShowsAnErrorOnceThatManySay) {
  EXPECT_EQ(shown("polymoe: error: rank 1: no\nother\npolymoe: error: rank 1: no\nother\npolymoe: error: rank 0: no\n"),
            "polymoe: error: rank 1: no\nother\nother\npolymoe: error: rank 0: no\n");
}

TEST(MpirunMessages, LeavesOutThatASignalWasHandedOn) {
  EXPECT_EQ(shown("mpirun: Forwarding signal 10 to job\nstopped after 22 updates\n"), "stopped after 22 updates\n");
}

TEST(MpirunMessages, NamesAProcessThatWasKilledInOneLine) {
  const std::string ended = kRule +
                            "Primary job  terminated normally, but 1 process returned\n"
                            "a non-zero exit code. Per user-direction, the job has been aborted.\n" +
                            kRule;
  const std::string killed =
      kRule + "mpirun noticed that process rank 3 with PID 0 on node vm exited on signal 9 (Killed).\n" + kRule;
  EXPECT_EQ(shown(ended + killed), "polymoe: error: rank 3 on vm was ended by signal 9 (Killed)\n");
}

TEST(MpirunMessages, PassesOtherBanners) {
  const std::string banner = kRule + "There are not enough slots available in the system\n" + kRule;
  EXPECT_EQ(shown(banner), banner);
  EXPECT_EQ(shown(kRule + "an unfinished one\n"), kRule + "an unfinished one\n");
}

}  // namespace
}  // namespace polymoe::cli
