#include "base/partial.h"

#include <chrono>
#include <string>

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "base/atomic_folder.h"
#include "base/files.h"
#include "support/log_capture.h"
#include "support/temporary_folder.h"

namespace polymoe {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::UnorderedElementsAre;

constexpr const char* kNoProcess = "4999999";  // above the greatest number that Linux gives

void make_old(const fs::path& path) {
  fs::last_write_time(path, fs::file_time_type::clock::now() - std::chrono::hours(1));
}

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

TEST(Partial, OfAReusedProcessNumberGoesOnceItIsNotNew) {
  const testing::TemporaryFolder folder;
  const fs::path left = folder.write("list.partial-1", "half");
  write_file(folder / "list", "whole");
  EXPECT_TRUE(fs::exists(left));  // may be a moment old and not locked yet
  make_old(left);
  write_file(folder / "list", "whole");
  EXPECT_FALSE(fs::exists(left));
}

TEST(Partial, ThatIsBeingWrittenStays) {
  const testing::TemporaryFolder folder;
  const fs::path file = folder.write(std::string("list.partial-") + kNoProcess, "half");  // by another machine, say
  const fs::path data =
      folder.write("data.partial-1/ids", "half").substr(0, (folder / "data.partial-1").string().size());
  for (const fs::path& path : {file, data}) make_old(path);
  const int locked_file = open(file.c_str(), O_RDWR), locked_folder = open(data.c_str(), O_RDONLY | O_DIRECTORY);
  lock_partial(locked_file);
  lock_partial(locked_folder);
  write_file(folder / "list", "whole");
  AtomicFolder(folder / "data").commit();
  EXPECT_TRUE(fs::exists(file));
  EXPECT_TRUE(fs::exists(data));
  close(locked_file);
  close(locked_folder);
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
