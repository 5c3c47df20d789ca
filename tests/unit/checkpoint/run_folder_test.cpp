#include <filesystem>
#include <fstream>
#include <set>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "polymoe/base/atomic_folder.h"
#include "polymoe/base/log.h"
#include "polymoe/checkpoint/checkpoint.h"
#include "polymoe/tensor/torch_headers.h"
#include "support/temporary_folder.h"

namespace polymoe {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

void write_small_checkpoint(const fs::path& path) {
  CheckpointWriter writer(path);
  writer.add("model", "w", at::ones({1}));
  writer.commit({});
}

void damage(const fs::path& checkpoint) { fs::resize_file(checkpoint / "model-00001-of-00001.safetensors", 50); }

TEST(RunFolder, NamesSortByUpdate) {
  EXPECT_EQ(checkpoint_name(0), "checkpoint-0000000");
  EXPECT_EQ(checkpoint_name(1000), "checkpoint-0001000");
  EXPECT_EQ(checkpoint_name(123456789), "checkpoint-123456789");
}

TEST(RunFolder, FindsTheHighestUpdate) {
  const testing::TemporaryFolder folder;
  EXPECT_EQ(find_latest(folder / "none"), std::nullopt);
  EXPECT_EQ(find_latest(folder.path()), std::nullopt);
  for (const char* name : {"checkpoint-9999999", "checkpoint-10000000", "checkpoint-0000002"}) {
    write_small_checkpoint(folder / name);
  }
  for (const char* name : {"checkpoint-best", "checkpoint-20000000.partial-1", "checkpoint--30000000", "checkpoint-",
                           "checkpoint-99999999999999999999", "checkpoint-4e7", "40000000"}) {
    write_small_checkpoint(folder / name);
  }
  std::ofstream(folder / "checkpoint-50000000") << "a file";
  EXPECT_EQ(find_latest(folder.path()), folder / "checkpoint-10000000");
}

TEST(RunFolder, PassesOverDamagedCheckpointsWithAWarning) {
  const testing::TemporaryFolder folder;
  for (const std::int64_t update : {1, 2, 3}) write_small_checkpoint(folder / checkpoint_name(update));
  damage(folder / checkpoint_name(3));
  std::vector<std::string> warnings;
  set_log_sink([&](LogLevel, const std::string& message) { warnings.push_back(message); });
  EXPECT_EQ(find_latest(folder.path()), folder / checkpoint_name(2));
  set_log_sink({});
  ASSERT_EQ(warnings.size(), 1u);
  EXPECT_THAT(warnings[0], HasSubstr(checkpoint_name(3)));
}

TEST(RunFolder, FindsTheLastWholeCheckpoints) {
  const testing::TemporaryFolder folder;
  for (const std::int64_t update : {1, 2, 3, 10}) write_small_checkpoint(folder / checkpoint_name(update));
  damage(folder / checkpoint_name(3));
  EXPECT_EQ(find_last(folder.path(), 2),
            (std::vector<fs::path>{folder / checkpoint_name(2), folder / checkpoint_name(10)}));
  EXPECT_THAT(message_of([&] { find_last(folder.path(), 4); }), HasSubstr("holds 3 numbered checkpoints, not 4"));
}

TEST(RunFolder, PruneKeepsTheNewestWholeAndTheNamed) {
  const testing::TemporaryFolder folder;
  for (const std::int64_t update : {1, 2, 3, 4, 5}) write_small_checkpoint(folder / checkpoint_name(update));
  write_small_checkpoint(folder / "checkpoint-best");
  damage(folder / checkpoint_name(4));
  prune_checkpoints(folder.path(), 2);
  EXPECT_EQ(testing::names_in(folder.path()),
            (std::set<std::string>{checkpoint_name(3), checkpoint_name(4), checkpoint_name(5), "checkpoint-best"}));
  prune_checkpoints(folder.path(), 0);  // the newest one always stays
  EXPECT_EQ(testing::names_in(folder.path()), (std::set<std::string>{checkpoint_name(5), "checkpoint-best"}));
}

TEST(RunFolder, WhatIsMadeOfOthersIsNoPartOfTheRun) {
  const testing::TemporaryFolder folder;
  for (const int update : {1, 2}) write_small_checkpoint(folder / checkpoint_name(update));
  CheckpointWriter average(folder / checkpoint_name(9));
  average.add("model", "w", at::ones({1}));
  average.commit({{"origin", {{"command", "average"}}}});
  EXPECT_EQ(find_start(folder.path(), Check::kHeaders), folder / checkpoint_name(2));
  prune_checkpoints(folder.path(), 1);
  EXPECT_EQ(testing::names_in(folder.path()), (std::set<std::string>{checkpoint_name(2), checkpoint_name(9)}));
}

TEST(RunFolder, PruneClearsWhatKilledProcessesLeft) {
  const testing::TemporaryFolder folder;
  write_small_checkpoint(folder / "checkpoint-best");
  const AtomicFolder written(folder / "checkpoint-average");  // by another command
  const std::string living = written.temporary().filename();
  for (const char* name :
       {"checkpoint-0000001.partial-4999999", "checkpoint-0000001.partial-1", "checkpoint-best.old-4999999",
        "checkpoint-0000002.old-4999999", "checkpoint-0000003.partial-x", "notes.partial-4999999"}) {
    fs::create_directory(folder / name);
  }
  prune_checkpoints(folder.path(), 1);
  // checkpoint-0000002 is back: its process died between moving the old folder away and naming the new one.
  EXPECT_EQ(testing::names_in(folder.path()),
            (std::set<std::string>{living, "checkpoint-best", "checkpoint-0000002", "checkpoint-0000003.partial-x",
                                   "notes.partial-4999999"}));
}

}  // namespace
}  // namespace polymoe
