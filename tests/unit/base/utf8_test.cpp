#include "polymoe/base/utf8.h"

#include <gtest/gtest.h>

#include "polymoe/base/quote.h"

namespace polymoe {
namespace {

using namespace std::string_view_literals;
constexpr std::size_t kNone = std::string_view::npos;

TEST(Utf8, AcceptsTheEdgesOfEveryLength) {
  for (const std::string_view text :
       {""sv, "\0"sv, "\x7f"sv, "\xc2\x80"sv, "\xdf\xbf"sv, "\xe0\xa0\x80"sv, "\xed\x9f\xbf"sv, "\xee\x80\x80"sv,
        "\xef\xbf\xbf"sv, "\xf0\x90\x80\x80"sv, "\xf4\x8f\xbf\xbf"sv}) {
    EXPECT_EQ(find_bad_utf8(text), kNone) << in_quotes(text);
  }
}

TEST(Utf8, RefusesMalformedBytesAndTellsWhere) {
  const std::pair<std::string_view, const char*> cases[] = {
      {"ab\x80"sv, "a lone continuation byte"},
      {"ab\xc0\x80"sv, "an overlong form of two bytes"},
      {"ab\xc1\xbf"sv, "an overlong form of two bytes"},
      {"ab\xe0\x9f\xbf"sv, "an overlong form of three bytes"},
      {"ab\xf0\x8f\xbf\xbf"sv, "an overlong form of four bytes"},
      {"ab\xed\xa0\x80"sv, "the first surrogate"},
      {"ab\xed\xbf\xbf"sv, "the last surrogate"},
      {"ab\xf4\x90\x80\x80"sv, "a value over U+10FFFF"},
      {"ab\xf5\x80\x80\x80"sv, "a byte that starts no character"},
      {"ab\xff"sv, "a byte that starts no character"},
      {"ab\xe2\x82"sv, "a character that ends early"},
      {"ab\xe2\x28\xa1"sv, "a character broken in its middle"},
  };
  for (const auto& [text, what] : cases) EXPECT_EQ(find_bad_utf8(text), 2u) << what;
}

TEST(Utf8, DecodesAndEncodesEveryCodePoint) {
  for (char32_t c = 0; c <= 0x10FFFF; c += c < 0x3000 ? 1 : 97) {
    if (c >= 0xD800 && c <= 0xDFFF) continue;
    const std::string text = encode_utf8(std::u32string(1, c));
    ASSERT_EQ(find_bad_utf8(text), kNone) << static_cast<unsigned>(c);
    ASSERT_EQ(decode_utf8(text), std::u32string(1, c)) << static_cast<unsigned>(c);
  }
  EXPECT_EQ(decode_utf8("a\xc3\xa9\xe6\x97\xa5\xf0\x9f\x98\x80"), U"aé日😀");
}

TEST(Utf8, DecodingReplacesEachMalformedByte) { EXPECT_EQ(decode_utf8("a\xff\xe2\x82z"), U"a\uFFFD\uFFFD\uFFFDz"); }

TEST(InQuotes, ShowsWhatCannotBeSeen) {
  EXPECT_EQ(in_quotes("plain é"), "'plain é'");
  EXPECT_EQ(in_quotes("a\nb\x1b[0m"), "'a\\x0ab\\x1b[0m'");
  EXPECT_EQ(in_quotes("\xff\xc3"), "'\\xff\\xc3'");
  EXPECT_EQ(in_quotes("\xc2\x85"), "'\\xc2\\x85'");  // U+0085 is a control character too
}

TEST(InQuotes, CutsLongTextBetweenCharacters) {
  std::string text;
  for (int i = 0; i < 1000; ++i) text += "日";
  const std::string shown = in_quotes(text);
  EXPECT_LT(shown.size(), 80u);
  EXPECT_TRUE(shown.ends_with("日...'")) << shown;
  EXPECT_EQ(find_bad_utf8(shown), kNone);
}

TEST(OneLine, TurnsControlCharactersIntoSpaces) {
  EXPECT_EQ(one_line("a\nb\tc\x1b[0mé"), "a b c [0mé");
  EXPECT_EQ(one_line("a\u0085b\u2028c\u2029d\u009F"), "a b c d ");
  EXPECT_EQ(one_line("\u00A0\u2027\xC2"), "\u00A0\u2027\xC2");
}

TEST(Utf8, KnowsTextThatShowsNothing) {
  for (const char* text : {"", " \t", "\u3000", "\u00A0", "\u200B", "\uFEFF", "\u2060", "\u00AD", "\u200C\u200D",
                           "\u2028", "\u1680", "\u3164", "\u180E", "\uFE0F"}) {
    EXPECT_TRUE(shows_nothing(text)) << text;
  }
  for (const char* text : {"a", " .", "\u3000\u3001", "\u0301", "\u2800", "\xA0", "\u200Bx"}) {
    EXPECT_FALSE(shows_nothing(text)) << text;
  }
}

}  // namespace
}  // namespace polymoe
