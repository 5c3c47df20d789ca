#include "polymoe/evaluate/segments.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "polymoe/base/error.h"
#include "polymoe/base/files.h"

namespace polymoe {
namespace {

std::string message_of(const std::vector<std::vector<std::string>>& streams, std::size_t hypotheses) {
  try {
    check_streams(hypotheses, streams);
  } catch (const Error& error) {
    return error.message();
  }
  return "";
}

TEST(ReadSegments, GivesEveryLineAlsoEmptyOnes) {
  const std::string path = ::testing::TempDir() + "segments.txt";
  write_file(path, "one\r\n\n zwei drei");
  EXPECT_EQ(read_segments(path), (std::vector<std::string>{"one", "", " zwei drei"}));
}

TEST(ReadSegments, BadTextIsAnErrorWithFileAndLine) {
  const std::string path = ::testing::TempDir() + "bad.txt";
  const std::vector<std::pair<std::string, std::string>> cases{
      {"fine\nna\xEFve\n", "not UTF-8 text: byte 0xEF at column 3"},
      {std::string("fine\nna\0ve\n", 11), "a NUL byte at column 3"}};
  for (const auto& [text, message] : cases) {
    write_file(path, text);
    try {
      read_segments(path);
      ADD_FAILURE() << message;
    } catch (const Error& error) {
      EXPECT_EQ(error.where().path, path);
      EXPECT_EQ(error.where().line, 2u);
      EXPECT_EQ(error.message(), message);
    }
  }
}

TEST(ReadSegments, AMissingFileIsAnErrorThatNamesIt) {
  try {
    read_segments("/nowhere/segments.txt");
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("/nowhere/segments.txt"), std::string::npos);
  }
}

TEST(CheckStreams, UnequalCountsAreAnErrorThatNamesBoth) {
  EXPECT_EQ(message_of({{"a", "b"}, {"a"}}, 2), "2 hypotheses cannot pair up with reference 2, whose length is 1");
  EXPECT_EQ(message_of({{"a", "b"}, {"c", "d"}}, 2), "");
}

TEST(CheckStreams, NothingToScoreIsAnError) {
  EXPECT_EQ(message_of({}, 2), "there is no reference to compare the hypotheses with");
  EXPECT_EQ(message_of({{}}, 0), "there are no segments to score");
}

}  // namespace
}  // namespace polymoe
