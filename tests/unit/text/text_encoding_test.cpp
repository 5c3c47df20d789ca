#include "polymoe/text/text_encoding.h"

#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "polymoe/base/error.h"
#include "support/temporary_folder.h"

namespace polymoe {
namespace {

using namespace std::string_literals;
using ::testing::AllOf;
using ::testing::HasSubstr;

std::string encoding_error(const std::string& content) {
  const testing::TemporaryFolder folder;
  try {
    LineReader reader(folder.write("text", content));
    check_beginning(reader);
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
  EXPECT_THAT(encoding_error("\xFD"
                             "7zXZ\0rest"s),
              AllOf(HasSubstr("text: an xz file; only gzip is read"), HasSubstr("xz -dc")));
  EXPECT_THAT(encoding_error("\x28\xB5\x2F\xFD rest"), HasSubstr("a zstd file"));
  EXPECT_THAT(encoding_error("BZh9 rest"), HasSubstr("a bzip2 file"));
  EXPECT_THAT(encoding_error("PK\x03\x04 rest"), HasSubstr("a zip file"));
}

TEST(TextEncoding, KnowsWideTextByItsMarkOrItsZeros) {
  for (const std::u16string text : {u"Open the door.\nClose it.\n", u"Открой дверь.\nЗакрой её.\n"}) {
    EXPECT_THAT(encoding_error("\xFF\xFE"s + wide(text, 2, false)),
                HasSubstr("UTF-16 text, not UTF-8; convert the file: 'iconv -f UTF-16 -t"));
    EXPECT_THAT(encoding_error("\xFE\xFF"s + wide(text, 2, true)), HasSubstr("UTF-16 text"));
    EXPECT_THAT(encoding_error("\xFF\xFE\0\0"s + wide(text, 4, false)), HasSubstr("UTF-32 text"));
    EXPECT_THAT(encoding_error(wide(text, 2, false)), HasSubstr("UTF-16LE text"));
    EXPECT_THAT(encoding_error(wide(text, 2, true)), HasSubstr("UTF-16BE text"));
    EXPECT_THAT(encoding_error(wide(text, 4, false)), HasSubstr("UTF-32LE text"));
    EXPECT_THAT(encoding_error(wide(text, 4, true)), HasSubstr("UTF-32BE text"));
  }
}

TEST(TextEncoding, SaysThatNulBytesAreNoText) {
  EXPECT_THAT(encoding_error(std::string(100'000, '\0')), HasSubstr("text: NUL bytes where text should begin"));
  EXPECT_THAT(encoding_error(std::string(5000, '\0') + "text\n"), HasSubstr("NUL bytes where text should begin"));
}

TEST(TextEncoding, LooksIntoPipesToo) {
  const auto error_in_pipe = [](std::string_view text) -> std::string {
    int ends[2];
    EXPECT_EQ(pipe(ends), 0);
    EXPECT_EQ(write(ends[1], text.data(), text.size()), static_cast<ssize_t>(text.size()));
    close(ends[1]);
    LineReader reader("/proc/self/fd/" + std::to_string(ends[0]));
    close(ends[0]);
    try {
      check_beginning(reader);
    } catch (const Error& error) {
      return error.what();
    }
    std::string line;
    return reader.next(line) ? "line: " + line : "no line";
  };
  EXPECT_THAT(error_in_pipe(wide(u"Open the door.\nClose it.\n", 2, false)),
              HasSubstr("UTF-16LE text, not UTF-8; convert the file: 'iconv -f UTF-16LE"));
  EXPECT_THAT(error_in_pipe("\xFD"
                            "7zXZ\0rest"s),
              HasSubstr("an xz file; only gzip is read"));
  EXPECT_EQ(error_in_pipe("Open the door.\n"), "line: Open the door.");
  EXPECT_EQ(error_in_pipe(""), "no line");
}

TEST(TextEncoding, LetsOtherFilesBeReadLineByLine) {
  for (const std::string& text :
       {"Open the door.\n"s, ""s, "one\0zero\n"s, "a\0b\0\nplain line\n"s, "\0\0\0\0\0\0\0\n\0\0\0\0\0\0\0\n"s,
        "\xEF\xBB\xBFmarked\n"s, "\xCF\xF4\xCB\xD2\xCF\xCA\n"s, "BZ and PK\n"s}) {
    EXPECT_EQ(encoding_error(text), "no error") << text;
  }
}

TEST(TextEncoding, TellsZeroBytesFromOtherEncodings) {
  EXPECT_EQ(find_text_fault("Открой дверь").message, "");
  EXPECT_THAT(find_text_fault("Open\0the door"s).message, HasSubstr("a NUL byte at column 5"));
  EXPECT_EQ(find_text_fault("Open\0the \xCF"s).kind, TextFault::Kind::kNulByte);
  const TextFault other = find_text_fault("a \xCF\xD4\xCB\xD2");
  EXPECT_THAT(other.message, HasSubstr("not UTF-8 text: byte 0xCF at column 3"));
  EXPECT_THAT(other.remedy, AllOf(HasSubstr("'file'"), HasSubstr("iconv -l"), HasSubstr("iconv -f NAME")));
  EXPECT_EQ(other.kind, TextFault::Kind::kBadUtf8);
}

TEST(TextEncoding, NamesEncodedSurrogates) {
  const TextFault half = find_text_fault("ab\xED\xA0\x80 rest");
  EXPECT_EQ(half.message, "an encoded surrogate at column 3, which is no UTF-8 (a character that a program broke)");
  EXPECT_THAT(half.remedy, HasSubstr("remove its half"));
  EXPECT_THAT(find_text_fault("\xED\xBF\xBF").message, HasSubstr("an encoded surrogate at column 1"));
  const TextFault pair = find_text_fault("\xED\xA0\xBD\xED\xB8\x80");
  EXPECT_THAT(pair.message, HasSubstr("(CESU-8)"));
  EXPECT_THAT(pair.remedy, HasSubstr("uconv -f CESU-8"));
  EXPECT_THAT(find_text_fault("\xED\xA0").message, HasSubstr("byte 0xED at column 1"));
  EXPECT_EQ(find_text_fault("\xED\x9F\xBF").message, "");  // U+D7FF
}

}  // namespace
}  // namespace polymoe
