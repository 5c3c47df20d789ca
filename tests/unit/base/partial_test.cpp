#include "polymoe/base/partial.h"

#include <csignal>
#include <cstdlib>
#include <string>

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "polymoe/base/atomic_folder.h"
#include "polymoe/base/error.h"
#include "polymoe/base/files.h"
#include "support/log_capture.h"
#include "support/temporary_folder.h"

namespace polymoe {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::UnorderedElementsAre;

constexpr const char* kNoProcess = "4999999";  // above the greatest number that Linux gives

TEST(Partial, OfDeadProcessesGoesWithTheNextWriter) {
  const testing::TemporaryFolder folder;
  const testing::LogCapture log;
  folder.write(std::string("data.partial-") + kNoProcess + "/train/ids", "half");
  folder.write(std::string("list.partial-") + kNoProcess, "half");
  {
    AtomicFolder data(folder / "data");
    data.commit();
  }
  write_file(folder / "list", "whole");
  EXPECT_THAT(testing::names_in(folder.path()), UnorderedElementsAre("data", "list"));
  ASSERT_EQ(log.others().size(), 2u);
  EXPECT_THAT(log.others()[0], HasSubstr("data.partial-4999999, which a killed process left"));
}

TEST(Partial, OfAProcessWhoseNumberIsUsedAgainGoesToo) {
  const testing::TemporaryFolder folder;
  folder.write("list.partial-1", "half");
  folder.write("list.partial-" + std::to_string(getpid()), "a long half");
  write_file(folder / "list", "whole");
  EXPECT_THAT(testing::names_in(folder.path()), ElementsAre("list"));
  EXPECT_EQ(read_file(folder / "list"), "whole");
}

TEST(PartialDeathTest, GoesWithASignalWhoseHandlerRemovesWhatIsListed) {
  const testing::TemporaryFolder folder;
  folder.write("list", "older");
  const auto work = [&] {
    std::signal(SIGTERM, [](int) {
      remove_listed_partials();
      std::_Exit(7);
    });
    AtomicFile list(folder / "list");
    list.write("newer");
    const AtomicFolder data(folder / "data");
    fs::create_directory(data.temporary() / "train");
    write_file(data.temporary() / "train" / "ids", "1 2 3");
    { const AtomicFile dropped(folder / "dropped"); }
    raise(SIGTERM);
  };
  EXPECT_EXIT(work(), ::testing::ExitedWithCode(7), "");
  EXPECT_THAT(testing::names_in(folder.path()), ElementsAre("list"));
  EXPECT_EQ(read_file(folder / "list"), "older");
}

TEST(Partial, ThatIsBeingWrittenStays) {
  const testing::TemporaryFolder folder;
  const fs::path file = folder.write(std::string("list.partial-") + kNoProcess, "half");  // by another machine, say
  const fs::path data = folder / "data.partial-1";
  fs::create_directory(data);
  const int locked_file = open(file.c_str(), O_RDWR), locked_folder = open(data.c_str(), O_RDONLY | O_DIRECTORY);
  EXPECT_TRUE(lock_partial(locked_file, file));
  EXPECT_TRUE(lock_partial(locked_folder, data));
  write_file(folder / "list", "whole");
  AtomicFolder(folder / "data").commit();
  EXPECT_TRUE(fs::exists(file));
  EXPECT_TRUE(fs::exists(data));
  close(locked_file);
  close(locked_folder);
}

TEST(Partial, ThatWasRemovedBeforeItWasLockedIsToBeMadeAgain) {
  const testing::TemporaryFolder folder;
  const fs::path file = folder.write("list.partial-1", "half");
  const int descriptor = open(file.c_str(), O_RDWR);
  remove_stale_partials(folder / "list");
  EXPECT_FALSE(lock_partial(descriptor, file));
  close(descriptor);
}

TEST(Partial, ThatAnotherProcessWritesIsNotTakenFromIt) {
  const testing::TemporaryFolder folder;
  const fs::path list = folder / "list";
  const int other = open(folder.write(partial_name(list).filename(), "theirs").c_str(), O_RDWR);
  EXPECT_TRUE(lock_partial(other, partial_name(list)));
  EXPECT_THROW(write_file(list, "ours"), Error);
  EXPECT_EQ(read_file(partial_name(list)), "theirs");
  close(other);
}

TEST(Partial, AnOlderFolderGetsItsNameBackWhereNoNewerOneHasIt) {
  const testing::TemporaryFolder folder;
  for (const char* name : {"data.old-4999999", "model.old-4999999", "model"})
    folder.write(std::string(name) + "/ids", name);
  remove_stale_partials(folder / "data");
  remove_stale_partials(folder / "model");
  EXPECT_THAT(testing::names_in(folder.path()), UnorderedElementsAre("data", "model"));
  EXPECT_EQ(read_file(folder / "data" / "ids"), "data.old-4999999");
  EXPECT_EQ(read_file(folder / "model" / "ids"), "model");
}

TEST(Partial, OfOtherNamesAreLeftAlone) {
  const testing::TemporaryFolder folder;
  for (const char* name :
       {"list2.partial-4999999", "list.partial-x", "list.partial-12a", "list.partial-", "a.list.partial-4999999"}) {
    folder.write(name, "mine");
  }
  const std::size_t before = testing::names_in(folder.path()).size();
  write_file(folder / "list", "whole");
  EXPECT_EQ(testing::names_in(folder.path()).size(), before + 1);
}

}  // namespace
}  // namespace polymoe
