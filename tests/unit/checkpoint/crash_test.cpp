// What is on the disk after the machine or the process fails in the middle of a commit.
#include <csignal>
#include <filesystem>
#include <functional>
#include <set>

#include <gtest/gtest.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include <nlohmann/json.hpp>

#include "polymoe/base/error.h"
#include "polymoe/checkpoint/checkpoint.h"
#include "polymoe/tensor/torch_headers.h"
#include "support/temporary_folder.h"
#include "unit/checkpoint/support.h"

namespace polymoe {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kElements = 2000;  // small enough that torch starts no threads, which a fork would not inherit
constexpr std::uint64_t kShardOfTwo = 2 * kElements * sizeof(float);

void write_checkpoint(const fs::path& path, float value, const std::function<void(int)>& before_tensor = {}) {
  CheckpointWriter writer(path, kShardOfTwo);
  for (int i = 0; i < 8; ++i) {
    writer.add("model", {fmt::format("t{}", i), Dtype::kF32, {kElements}}, [=] {
      if (before_tensor) before_tensor(i);
      return at::full({kElements}, value);
    });
  }
  writer.commit({{"value", value}});
}

void expect_whole(const fs::path& path, float value) {
  const Checkpoint checkpoint = Checkpoint::open(path);
  checkpoint.verify();
  EXPECT_EQ(checkpoint.meta().at("value"), value);
  ASSERT_EQ(checkpoint.names("model").size(), 8u);
  for (const std::string& name : checkpoint.names("model")) {
    EXPECT_TRUE(at::equal(checkpoint.read("model", name), at::full({kElements}, value))) << name;
  }
}

TEST(CheckpointCrash, AFullDiskLeavesTheOldCheckpointAndNoTrace) {
  const testing::TemporaryFolder folder;
  write_checkpoint(folder / "checkpoint-best", 1.0f);
  // No file may pass the limit, as if the disk were full: in the header, in the first tensor, in the second.
  for (const rlim_t limit : {rlim_t{100}, rlim_t{5000}, rlim_t{12000}}) {
    const int status = in_child([&] {
      signal(SIGXFSZ, SIG_IGN);  // so that write() fails with EFBIG
      const rlimit no_more{limit, limit};
      setrlimit(RLIMIT_FSIZE, &no_more);
      try {
        write_checkpoint(folder / "checkpoint-best", 2.0f);
      } catch (const Error& error) {
        return error.where().path.empty() || error.remedy().empty() ? 2 : 0;
      }
      return 1;
    });
    ASSERT_TRUE(WIFEXITED(status));
    EXPECT_EQ(WEXITSTATUS(status), 0);
    EXPECT_EQ(testing::names_in(folder.path()), std::set<std::string>{"checkpoint-best"});
    expect_whole(folder / "checkpoint-best", 1.0f);
  }
}

TEST(CheckpointCrash, AKilledWriterLeavesTheLastGoodCheckpoint) {
  const testing::TemporaryFolder folder;
  write_checkpoint(folder / checkpoint_name(1000), 1.0f);
  for (const int victim : {0, 3, 7}) {                // the first tensor, the second of a shard, the last
    for (const std::int64_t update : {1000, 2000}) {  // over the good one, and beside it
      const int status = in_child([&] {
        write_checkpoint(folder / checkpoint_name(update), 2.0f, [=](int i) {
          if (i == victim) raise(SIGKILL);
        });
        return 0;
      });
      ASSERT_TRUE(WIFSIGNALED(status));
      ASSERT_EQ(find_latest(folder.path()), folder / checkpoint_name(1000));
      expect_whole(folder / checkpoint_name(1000), 1.0f);
    }
  }
  // Of each of the two names what the last writer left: the next one clears it away.
  EXPECT_EQ(testing::names_in(folder.path()).size(), 3u);
  prune_checkpoints(folder.path(), 3);
  EXPECT_EQ(testing::names_in(folder.path()), std::set<std::string>{checkpoint_name(1000)});
  expect_whole(folder / checkpoint_name(1000), 1.0f);
}

TEST(CheckpointCrash, AKillAtAnyMomentLeavesOneWholeCheckpoint) {
  const testing::TemporaryFolder folder;
  const fs::path path = folder / "checkpoint-best";
  write_checkpoint(path, 1.0f);
  for (int milliseconds = 5; milliseconds <= 60; milliseconds += 5) {
    const pid_t child = fork();
    if (child == 0) {
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      for (float value = 2.0f;; value += 1.0f) write_checkpoint(path, value);
    }
    usleep(static_cast<useconds_t>(milliseconds) * 1000);
    kill(child, SIGKILL);
    waitpid(child, nullptr, 0);
    ASSERT_TRUE(fs::exists(path) || !fs::is_empty(folder.path()));
    prune_checkpoints(folder.path(), 1);  // where names cannot be exchanged, this brings the old one back
    ASSERT_EQ(testing::names_in(folder.path()), std::set<std::string>{"checkpoint-best"});
    const Checkpoint checkpoint = Checkpoint::open(path);
    expect_whole(path, checkpoint.meta().at("value").get<float>());
  }
}

}  // namespace
}  // namespace polymoe
