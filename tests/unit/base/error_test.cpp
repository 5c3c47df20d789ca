#include "polymoe/base/error.h"

#include <cerrno>

#include <gtest/gtest.h>

namespace polymoe {
namespace {

TEST(Error, ComposesPlaceMessageAndRemedy) {
  const Error error("the line is empty", {"corpus.en", 12}, "remove it");
  EXPECT_STREQ(error.what(), "corpus.en:12: the line is empty; remove it");
  EXPECT_EQ(error.message(), "the line is empty");
  EXPECT_EQ(error.where().path, "corpus.en");
  EXPECT_EQ(error.where().line, 12u);
  EXPECT_EQ(error.remedy(), "remove it");
}

TEST(Error, LeavesOutWhatIsNotKnown) {
  EXPECT_STREQ(Error("no place").what(), "no place");
  EXPECT_STREQ(Error("whole file", {"corpus.en", 0}).what(), "corpus.en: whole file");
  EXPECT_STREQ(Error("no place", {}, "do this").what(), "no place; do this");
}

TEST(Error, IsOneLineWhateverItQuotes) {
  EXPECT_STREQ(Error("no language 'a\nb'", {"a\r\nfile", 2}, "use\tanother").what(),
               "a  file:2: no language 'a b'; use another");
}

TEST(Error, FailFormats) {
  try {
    fail("{} heads do not divide {}", 3, 16);
    FAIL() << "no exception";
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "3 heads do not divide 16");
  }
}

TEST(Error, FailErrnoNamesTheReasonAndThePath) {
  try {
    errno = ENOSPC;
    fail_errno("cannot write", "model.bin", "free some space");
    FAIL() << "no exception";
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "model.bin: cannot write: No space left on device; free some space");
  }
}

}  // namespace
}  // namespace polymoe
