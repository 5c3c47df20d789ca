#include "polymoe/base/scratch_file.h"

#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "polymoe/base/error.h"
#include "polymoe/base/random.h"
#include "support/temporary_folder.h"

namespace polymoe {
namespace {

class ScratchFiles : public ::testing::TestWithParam<IoEngine> {
 protected:
  void SetUp() override {
    if (GetParam() != IoEngine::kUring) return;
    try {
      ScratchFile(folder_.path(), IoEngine::kUring);
    } catch (const Error&) {
      GTEST_SKIP() << "this build or this kernel has no io_uring";
    }
  }

  testing::TemporaryFolder folder_;
};

std::vector<std::uint64_t> numbers(std::uint64_t seed, std::size_t count) {
  std::vector<std::uint64_t> values(count);
  const RandomStream random(seed, 1);
  for (std::size_t i = 0; i < count; ++i) values[i] = random.below(i, 1u << 30);
  return values;
}

TEST_P(ScratchFiles, GiveBackWhatWasWrittenWhenManyOperationsAreUnderWay) {
  constexpr std::size_t kBlocks = 100, kCount = 30000;  // more operations than io_uring has entries
  ScratchFile file(folder_.path(), GetParam());
  const std::uint64_t bytes = kCount * sizeof(std::uint64_t);
  file.extend(kBlocks * bytes);
  std::vector<std::vector<std::uint64_t>> written, read(kBlocks, std::vector<std::uint64_t>(kCount));
  std::vector<ScratchFile::Ticket> tickets;
  for (std::size_t i = 0; i < kBlocks; ++i) {
    written.push_back(numbers(i, kCount));
    tickets.push_back(file.start_write(i * bytes, written[i].data(), bytes));
  }
  for (std::size_t i = kBlocks; i-- > 0;) file.wait(tickets[i]);
  for (std::size_t i = 0; i < kBlocks; ++i) tickets[i] = file.start_read(i * bytes, read[i].data(), bytes);
  for (const ScratchFile::Ticket ticket : tickets) file.wait(ticket);
  EXPECT_EQ(read, written);
}

TEST_P(ScratchFiles, MoveLongOperationsInPieces) {
  constexpr std::size_t kCount = (40u << 20) / sizeof(std::uint64_t) + 3;
  ScratchFile file(folder_.path(), GetParam());
  const std::uint64_t bytes = kCount * sizeof(std::uint64_t);
  file.extend(bytes);
  const std::vector<std::uint64_t> written = numbers(1, kCount);
  std::vector<std::uint64_t> read(kCount);
  file.wait(file.start_write(0, written.data(), bytes));
  file.wait(file.start_read(0, read.data(), bytes));
  EXPECT_EQ(read, written);
}

TEST_P(ScratchFiles, HaveNoName) {
  ScratchFile file(folder_ / "made", GetParam());
  file.extend(1000);
  EXPECT_TRUE(testing::names_in(folder_ / "made").empty());
}

TEST_P(ScratchFiles, ReportAReadBeyondTheEnd) {
  ScratchFile file(folder_.path(), GetParam());
  file.extend(10);
  char data[10];
  EXPECT_THROW(file.wait(file.start_read(5, data, 10)), Error);
  file.wait(file.start_read(0, data, 10));  // and go on
}

TEST_P(ScratchFiles, AreRefusedWhereTheDiskIsTooSmall) {
  ScratchFile file(folder_.path(), GetParam());
  try {
    file.extend(std::uint64_t{1} << 58);
    FAIL() << "a disk of 288 petabytes";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), ::testing::HasSubstr("no room for a scratch file of 288230376.2 GB"));
    EXPECT_THAT(error.what(), ::testing::HasSubstr(folder_.path().string()));
  }
}

TEST(ScratchFile, NamesAFolderThatCannotBeMade) {
  const testing::TemporaryFolder folder;
  folder.write("file", "");
  EXPECT_THROW(ScratchFile(folder / "file"), Error);
  EXPECT_THROW(ScratchFile("/proc/none"), Error);
}

INSTANTIATE_TEST_SUITE_P(Engines, ScratchFiles, ::testing::Values(IoEngine::kUring, IoEngine::kThreads),
                         [](const auto& info) { return info.param == IoEngine::kUring ? "Uring" : "Threads"; });

}  // namespace
}  // namespace polymoe
