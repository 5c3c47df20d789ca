#include "polymoe/text/segment_cleaning.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace polymoe {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(SegmentCleaning, SplitsAtBlankLinesAndListItems) {
  EXPECT_THAT(split_paragraphs("One\nparagraph.\n\nAnother."), ElementsAre("One\nparagraph.", "Another."));
  EXPECT_THAT(split_paragraphs("  -a, --all   show all\n                of them\n  -b   brief\n"),
              ElementsAre("  -a, --all   show all\n                of them", "  -b   brief"));
  EXPECT_THAT(split_paragraphs("Try:\n* this\n* that"), ElementsAre("Try:", "* this", "* that"));
  EXPECT_THAT(split_paragraphs("one line"), ElementsAre("one line"));
  EXPECT_THAT(split_paragraphs("\n \t\n"), IsEmpty());
  EXPECT_THAT(split_paragraphs(""), IsEmpty());
}

TEST(SegmentCleaning, MakesOnePlainLine) {
  EXPECT_EQ(clean_line("  two \t words\r\n on\nlines "), "two words on lines");
  EXPECT_EQ(clean_line("Qui\u00A0? Non\u202F!"), "Qui ? Non !");
  EXPECT_EQ(clean_line("\uFEFFsoft\u00ADhyphen\u200B \u200Fx\x01y"), "softhyphen x y");
  EXPECT_EQ(clean_line("می\u200Cخواهم"), "می\u200Cخواهم");  // the non-joiner is part of the spelling
  EXPECT_EQ(clean_line("全角\u3000空白"), "全角 空白");
  EXPECT_EQ(clean_line(" \n "), "");
}

PairFault judge(std::string_view english, std::string_view translation) {
  return judge_pair(english, translation, 100);
}

TEST(SegmentCleaning, KeepsGoodPairs) {
  EXPECT_EQ(judge("Cannot open the file %s.", "Die Datei %s kann nicht geöffnet werden."), PairFault::kKeep);
  EXPECT_EQ(judge("Year", "年"), PairFault::kKeep);
  EXPECT_EQ(judge("Server", "Server"), PairFault::kKeep);
  EXPECT_EQ(judge("Click <b>here</b>.", "Klicken Sie <b>hier</b>."), PairFault::kKeep);
  EXPECT_EQ(judge("usage: tool <file>", "Aufruf: tool <Datei>"), PairFault::kKeep);
}

TEST(SegmentCleaning, NamesEachFault) {
  EXPECT_EQ(judge("%s: %d (%%)", "%s: %d (%%)"), PairFault::kNoLetters);
  EXPECT_EQ(judge("Name", "..."), PairFault::kNoLetters);
  EXPECT_EQ(judge("Name", "…—"), PairFault::kNoLetters);
  EXPECT_EQ(judge(std::string(101, 'a'), "b"), PairFault::kTooLong);
  EXPECT_EQ(judge("a short text", std::string(101, 'a')), PairFault::kTooLong);
  EXPECT_EQ(judge("Yes", "Bitte bestätigen Sie die Aktion mit der Eingabetaste"), PairFault::kLengthRatio);
  EXPECT_EQ(judge("%d files", "%s Dateien"), PairFault::kDirectives);
  EXPECT_EQ(judge("This was not translated.", "This was not translated."), PairFault::kUntranslated);
  EXPECT_EQ(judge("<p>One</p><p>two</p>", "<p>Eins</p><p>zwei</p>"), PairFault::kMarkup);
  EXPECT_EQ(judge("Click <b>here</b>.", "Klicken Sie hier."), PairFault::kMarkup);
}

TEST(SegmentCleaning, CountsCharactersNotBytes) {
  EXPECT_EQ(judge("A long text of a hundred characters", std::string(50, 'a') + "äöüäöüäöüäöüäöüäöüäöüäöüäöü"),
            PairFault::kKeep);  // 77 characters, 104 bytes
}

TEST(SegmentCleaning, GivesOneSplitKeyToVariantsOfAText) {
  EXPECT_EQ(split_key("Cannot open '%s'"), "cannot open");
  EXPECT_EQ(split_key("%s: cannot OPEN"), "cannot open");
  EXPECT_EQ(split_key("Open file 2..."), split_key("open file"));
  EXPECT_NE(split_key("open file"), split_key("open files"));
  EXPECT_EQ(split_key("naïve"), "naïve");
}

}  // namespace
}  // namespace polymoe
