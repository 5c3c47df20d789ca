#include "polymoe/base/gzip_writer.h"

#include <filesystem>
#include <string>

#include <gtest/gtest.h>
#include <unistd.h>

#include "polymoe/base/files.h"

namespace polymoe {
namespace {

std::filesystem::path scratch_path(const char* name) {
  return std::filesystem::temp_directory_path() / (std::string("polymoe-gzip-") + std::to_string(getpid()) + name);
}

TEST(GzipWriter, ReadsBackWhatWasWritten) {
  const std::filesystem::path path = scratch_path("whole.gz");
  GzipWriter writer(path);
  std::string expected;
  for (int i = 0; i < 20000; ++i) {
    const std::string line = "line " + std::to_string(i * i) + "\n";
    expected += line;
    writer.write(line);
  }
  writer.commit();
  EXPECT_LT(std::filesystem::file_size(path), expected.size() / 2);

  LineReader reader(path);
  std::string line, got;
  while (reader.next(line)) got += line + "\n";
  EXPECT_EQ(got, expected);
  std::filesystem::remove(path);
}

TEST(GzipWriter, LeavesNothingWithoutCommit) {
  const std::filesystem::path path = scratch_path("dropped.gz");
  { GzipWriter(path).write("text"); }
  EXPECT_FALSE(std::filesystem::exists(path));
}

TEST(GzipWriter, WritesAnEmptyFile) {
  const std::filesystem::path path = scratch_path("empty.gz");
  GzipWriter(path).commit();
  LineReader reader(path);
  std::string line;
  EXPECT_FALSE(reader.next(line));
  std::filesystem::remove(path);
}

}  // namespace
}  // namespace polymoe
