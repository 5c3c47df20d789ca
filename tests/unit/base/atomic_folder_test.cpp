#include "polymoe/base/atomic_folder.h"

#include <string>

#include <gtest/gtest.h>
#include <unistd.h>

#include "polymoe/base/error.h"
#include "polymoe/base/files.h"

namespace polymoe {
namespace {

namespace fs = std::filesystem;

class AtomicFolderTest : public ::testing::Test {
 protected:
  AtomicFolderTest() : root_(fs::temp_directory_path() / ("polymoe-atomic-folder-" + std::to_string(getpid()))) {
    fs::remove_all(root_);
    fs::create_directories(root_);
  }
  ~AtomicFolderTest() override { fs::remove_all(root_); }

  std::size_t entries() const {
    std::size_t count = 0;
    for ([[maybe_unused]] const fs::directory_entry& entry : fs::directory_iterator(root_)) ++count;
    return count;
  }

  fs::path root_;
};

TEST_F(AtomicFolderTest, AppearsWithCommit) {
  AtomicFolder folder(root_ / "new/");  // with or without the slash
  write_file(folder.temporary() / "file", "content");
  EXPECT_FALSE(fs::exists(root_ / "new"));
  folder.commit();
  EXPECT_EQ(read_file(root_ / "new" / "file"), "content");
  EXPECT_EQ(entries(), 1u);
}

TEST_F(AtomicFolderTest, LeavesNothingWithoutCommit) {
  {
    const AtomicFolder folder(root_ / "new");
    write_file(folder.temporary() / "file", "content");
  }
  EXPECT_EQ(entries(), 0u);
}

TEST_F(AtomicFolderTest, ReplacesAnOlderFolderAsAWhole) {
  fs::create_directories(root_ / "name");
  write_file(root_ / "name" / "old", "old");
  AtomicFolder folder(root_ / "name");
  write_file(folder.temporary() / "new", "new");
  EXPECT_TRUE(fs::exists(root_ / "name" / "old"));
  folder.commit();
  EXPECT_FALSE(fs::exists(root_ / "name" / "old"));
  EXPECT_EQ(read_file(root_ / "name" / "new"), "new");
  EXPECT_EQ(entries(), 1u);
}

TEST_F(AtomicFolderTest, MakesTheFoldersAboveIt) {
  AtomicFolder folder(root_ / "a" / "b" / "c");
  folder.commit();
  EXPECT_TRUE(fs::is_directory(root_ / "a" / "b" / "c"));
}

TEST_F(AtomicFolderTest, FailsWhereAFileStandsInTheWay) {
  write_file(root_ / "file", "content");
  EXPECT_THROW(AtomicFolder(root_ / "file" / "folder"), Error);
}

}  // namespace
}  // namespace polymoe
