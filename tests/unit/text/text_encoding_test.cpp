#include "text/text_encoding.h"

#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "support/temporary_folder.h"

namespace polymoe {
namespace {

using namespace std::string_literals;
using ::testing::AllOf;
using ::testing::HasSubstr;

std::string error_of(const std::string& content) {
  const testing::TemporaryFolder folder;
  try {
    check_text_file(folder.write("text", content));
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

/// Text of code points below U+10000 in 2 or 4 bytes each.
std::string wide(const std::u16string& text, int bytes, bool big_endian) {
  std::string result;
  for (const char16_t unit : text) {
    for (int i = 0; i < bytes; ++i) {
      const int shift = 8 * (big_endian ? bytes - 1 - i : i);
      result += shift < 16 ? static_cast<char>(unit >> shift) : '\0';
    }
  }
  return result;
}

TEST(TextEncoding, NamesCompressedFilesAndWhatUnpacksThem) {
  EXPECT_THAT(error_of("\xFD"
                       "7zXZ\0rest"s),
              AllOf(HasSubstr("text: an xz file; only gzip is read"), HasSubstr("xz -dc")));
  EXPECT_THAT(error_of("\x28\xB5\x2F\xFD rest"), HasSubstr("a zstd file"));
  EXPECT_THAT(error_of("BZh9 rest"), HasSubstr("a bzip2 file"));
  EXPECT_THAT(error_of("PK\x03\x04 rest"), HasSubstr("a zip file"));
}

TEST(TextEncoding, KnowsWideTextByItsMarkOrItsZeros) {
  for (const std::u16string text : {u"Open the door.\nClose it.\n", u"Открой дверь.\nЗакрой её.\n"}) {
    EXPECT_THAT(error_of("\xFF\xFE"s + wide(text, 2, false)),
                HasSubstr("UTF-16 text, not UTF-8; convert the file: 'iconv -f UTF-16 -t"));
    EXPECT_THAT(error_of("\xFE\xFF"s + wide(text, 2, true)), HasSubstr("UTF-16 text"));
    EXPECT_THAT(error_of("\xFF\xFE\0\0"s + wide(text, 4, false)), HasSubstr("UTF-32 text"));
    EXPECT_THAT(error_of(wide(text, 2, false)), HasSubstr("UTF-16LE text"));
    EXPECT_THAT(error_of(wide(text, 2, true)), HasSubstr("UTF-16BE text"));
    EXPECT_THAT(error_of(wide(text, 4, false)), HasSubstr("UTF-32LE text"));
    EXPECT_THAT(error_of(wide(text, 4, true)), HasSubstr("UTF-32BE text"));
  }
}

TEST(TextEncoding, LetsOtherFilesBeReadLineByLine) {
  for (const std::string& text : {"Open the door.\n"s, ""s, "one\0zero\n"s, "a\0b\0\nplain line\n"s,
                                  "\xEF\xBB\xBFmarked\n"s, "\xCF\xF4\xCB\xD2\xCF\xCA\n"s, "BZ and PK\n"s}) {
    EXPECT_EQ(error_of(text), "no error") << text;
  }
}

TEST(TextEncoding, TellsZeroBytesFromOtherEncodings) {
  EXPECT_EQ(find_text_fault("Открой дверь").message, "");
  EXPECT_THAT(find_text_fault("Open\0the door"s).message, HasSubstr("a NUL byte at column 5"));
  const TextFault other = find_text_fault("a \xCF\xD4\xCB\xD2");
  EXPECT_THAT(other.message, HasSubstr("not UTF-8 text: byte 0xCF at column 3"));
  EXPECT_THAT(other.remedy, AllOf(HasSubstr("'file'"), HasSubstr("iconv -l"), HasSubstr("iconv -f NAME")));
}

}  // namespace
}  // namespace polymoe
