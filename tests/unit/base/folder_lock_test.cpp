#include "polymoe/base/folder_lock.h"

#include <filesystem>
#include <memory>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include "polymoe/base/error.h"
#include "support/temporary_folder.h"

namespace polymoe {
namespace {

using ::testing::HasSubstr;

std::string refusal(const std::filesystem::path& folder) {
  try {
    const FolderLock lock(folder, "training");
    return "";
  } catch (const Error& error) {
    return error.what();
  }
}

TEST(FolderLock, OneHolderAtATimeAndTheOtherIsToldWho) {
  const testing::TemporaryFolder folder;
  auto first = std::make_unique<FolderLock>(folder.path(), "training");
  EXPECT_THAT(refusal(folder.path()), HasSubstr("another training writes here: process " + std::to_string(getpid())));
  first.reset();
  EXPECT_EQ(refusal(folder.path()), "");
  EXPECT_TRUE(testing::names_in(folder.path()).empty()) << "nothing is left behind";
}

TEST(FolderLock, AKilledHolderHoldsNothing) {
  const testing::TemporaryFolder folder;
  const pid_t child = fork();
  if (child == 0) {
    const FolderLock lock(folder.path(), "training");
    _exit(0);  // without the destructor, as a killed process
  }
  int status = 0;
  waitpid(child, &status, 0);
  EXPECT_EQ(testing::names_in(folder.path()), std::set<std::string>{".lock"});
  EXPECT_EQ(refusal(folder.path()), "");
}

TEST(FolderLock, NoticesThatTheFolderIsGoneOrAnotherOne) {
  const testing::TemporaryFolder folder;
  const std::filesystem::path run = folder / "run";
  std::filesystem::create_directories(run);
  const FolderLock lock(run, "training");
  EXPECT_NO_THROW(lock.check());
  std::filesystem::remove_all(run);
  EXPECT_THROW(lock.check(), Error);
  std::filesystem::create_directories(run);
  const FolderLock other(run, "training");
  EXPECT_THROW(lock.check(), Error);
  EXPECT_NO_THROW(other.check());
}

TEST(FolderLock, SaysSoWhereItCannotWrite) {
  EXPECT_THAT(refusal("/nonexistent/folder"), HasSubstr("cannot write into the folder"));
}

}  // namespace
}  // namespace polymoe
