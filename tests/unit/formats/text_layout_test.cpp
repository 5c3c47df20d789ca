#include "polymoe/formats/text_layout.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace polymoe {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(TextLayout, KeepsWhiteSpaceAroundALine) {
  const TextLayout layout("  Open\tthe  file \n", LineEnds::kSpaces);
  EXPECT_THAT(layout.lines(), ElementsAre("Open the file"));
  EXPECT_EQ(layout.join({"Datei"}), "  Datei \n");
}

TEST(TextLayout, KeepsParagraphsAndListItems) {
  const TextLayout layout("First.\n\n  * one\n  * two\n", LineEnds::kParagraphs);
  EXPECT_THAT(layout.lines(), ElementsAre("First.", "* one", "* two"));
  EXPECT_EQ(layout.join({"Erstens.", "* eins", "* zwei"}), "Erstens.\n\n  * eins\n  * zwei\n");
}

TEST(TextLayout, BreaksTranslationsOfBrokenParagraphs) {
  const TextLayout layout("aaa bbb\n  ccc\n", LineEnds::kParagraphs);
  EXPECT_THAT(layout.lines(), ElementsAre("aaa bbb ccc"));
  EXPECT_EQ(layout.join({"xxx yyy zzz wwwwwwwww v"}), "xxx yyy\n  zzz\n  wwwwwwwww\n  v\n");
}

TEST(TextLayout, CountsCharactersRatherThanBytes) {
  EXPECT_EQ(TextLayout("aaa bbb\nccc", LineEnds::kParagraphs).join({"äöü äöü äöü"}), "äöü äöü\näöü");
}

TEST(TextLayout, KeepsCarriageReturns) {
  EXPECT_EQ(TextLayout("aa\r\nbb\r\n", LineEnds::kParagraphs).join({"xx yy"}), "xx\r\nyy\r\n");
}

TEST(TextLayout, KeepsLinesApart) {
  const TextLayout layout("a\r\nb\n\n c", LineEnds::kSeparate);
  EXPECT_THAT(layout.lines(), ElementsAre("a", "b", "c"));
  EXPECT_EQ(layout.join({"x", "y", "z"}), "x\r\ny\n\n z");
}

TEST(TextLayout, HasNoLineForWhiteSpace) {
  const TextLayout layout(" \n\t\n", LineEnds::kParagraphs);
  EXPECT_THAT(layout.lines(), IsEmpty());
  EXPECT_EQ(layout.join({}), " \n\t\n");
}

}  // namespace
}  // namespace polymoe
