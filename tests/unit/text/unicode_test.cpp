#include "polymoe/text/unicode.h"

#include <gtest/gtest.h>

#include <vector>

namespace polymoe {
namespace {

TEST(UnicodeCategory, KnowsTheEndsOfItsRanges) {
  EXPECT_EQ(unicode_category(0), UnicodeCategory::kOther);
  EXPECT_EQ(unicode_category(U' '), UnicodeCategory::kOther);
  EXPECT_EQ(unicode_category(U'!'), UnicodeCategory::kPunctuation);
  EXPECT_EQ(unicode_category(U'$'), UnicodeCategory::kSymbol);
  EXPECT_EQ(unicode_category(U'/'), UnicodeCategory::kPunctuation);
  EXPECT_EQ(unicode_category(U'0'), UnicodeCategory::kNumber);
  EXPECT_EQ(unicode_category(U'9'), UnicodeCategory::kNumber);
  EXPECT_EQ(unicode_category(U'A'), UnicodeCategory::kOther);
  EXPECT_EQ(unicode_category(U'\u0967'), UnicodeCategory::kNumber);       // Devanagari 1
  EXPECT_EQ(unicode_category(U'\u0964'), UnicodeCategory::kPunctuation);  // danda
  EXPECT_EQ(unicode_category(U'\u2167'), UnicodeCategory::kNumber);       // Roman numeral
  EXPECT_EQ(unicode_category(U'\U0001F600'), UnicodeCategory::kSymbol);   // emoji
  EXPECT_EQ(unicode_category(0x10FFFF), UnicodeCategory::kOther);
}

TEST(ToLower, FollowsUnicodeBeyondAscii) {
  EXPECT_EQ(to_lower(U"ÀÉ ŽĆ ЇҐ ԱՖ Ꭰ 𐐀 Ａ ẞ"), U"àé žć їґ աֆ ꭰ 𐐨 ａ ß");
  EXPECT_EQ(to_lower(U"Āā 漢字 ١"), U"āā 漢字 ١");
  EXPECT_EQ(to_lower(U"İI"), U"i\u0307i");
}

TEST(ToLower, WritesAFinalSigmaOnlyAtTheEndOfAWord) {
  EXPECT_EQ(to_lower(U"ΟΔΥΣΣΕΥΣ ΣΑΣ"), U"οδυσσευς σας");
  EXPECT_EQ(to_lower(U"Σ ΑΣ. ΑΣ'Α Α'Σ"), U"σ ας. ασ'α α'ς");  // an apostrophe does not end a word
}

TEST(SplitWords, SplitsAtUnicodeWhiteSpace) {
  EXPECT_EQ(split_words(U"\u2003a\u0085b \t\u001cc\n"), (std::vector<std::u32string_view>{U"a", U"b", U"c"}));
  EXPECT_TRUE(split_words(U" \u3000").empty());
}

TEST(StripEnd, KeepsTheStart) {
  EXPECT_EQ(strip_end(U" a \u3000\n"), U" a");
  EXPECT_EQ(strip_end(U" "), U"");
}

TEST(ContinuesWord, IsTrueOfLettersDigitsAndUnderscores) {
  for (const char32_t c : std::u32string_view(U"aÄж٣_\u0301한")) {
    EXPECT_TRUE(continues_word(c)) << static_cast<std::uint32_t>(c);
  }
  for (const char32_t c : std::u32string_view(U" -.+$字かไ\u00A0")) {
    EXPECT_FALSE(continues_word(c)) << static_cast<std::uint32_t>(c);
  }
}

}  // namespace
}  // namespace polymoe
