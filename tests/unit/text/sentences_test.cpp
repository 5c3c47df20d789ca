#include "polymoe/text/sentences.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace polymoe {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(SplitSentences, EndsThemBehindStopsAndClosingSigns) {
  EXPECT_THAT(split_sentences("One. Two!  \"Three?\" (Four.) 5 is five."),
              ElementsAre("One.", "Two!", "\"Three?\"", "(Four.)", "5 is five."));
  EXPECT_THAT(split_sentences("no end"), ElementsAre("no end"));
  EXPECT_THAT(split_sentences(" \u3000"), IsEmpty());
  EXPECT_THAT(split_sentences("Really?! Yes... No."), ElementsAre("Really?!", "Yes...", "No."));
}

TEST(SplitSentences, DoesNotEndThemInNumbersNamesAndAbbreviations) {
  EXPECT_THAT(split_sentences("It is 3.5 m. to the left. Go."), ElementsAre("It is 3.5 m. to the left.", "Go."));
  EXPECT_THAT(split_sentences("Dr. A. Smith, e.g. Bob. See file.txt now."),
              ElementsAre("Dr. A. Smith, e.g. Bob.", "See file.txt now."));
  EXPECT_THAT(split_sentences("Das ist z.B. Wasser usw. oder Eis."), ElementsAre("Das ist z.B. Wasser usw. oder Eis."));
}

TEST(SplitSentences, NeedsNoSpacesInChineseAndJapanese) {
  EXPECT_THAT(split_sentences("你好。再见！好"), ElementsAre("你好。", "再见！", "好"));
}

TEST(SplitToFit, HalvesWhatIsTooLong) {
  const auto up_to = [](std::size_t bytes) { return [bytes](std::string_view text) { return text.size() <= bytes; }; };
  EXPECT_THAT(split_to_fit("a short one", up_to(20)), ElementsAre("a short one"));
  EXPECT_THAT(split_to_fit("one two, three four five", up_to(16)), ElementsAre("one two,", "three four five"));
  EXPECT_THAT(split_to_fit("one two three", up_to(8)), ElementsAre("one two", "three"));
  EXPECT_THAT(split_to_fit("abcdefgh", up_to(3)), ElementsAre("ab", "cd", "ef", "gh"));
  EXPECT_THAT(split_to_fit("äöü", up_to(1)), ElementsAre("ä", "ö", "ü"));
}

TEST(JoinSentences, PutsSpacesWhereTheScriptHasThem) {
  EXPECT_EQ(join_sentences({"One.", "", "Two."}), "One. Two.");
  EXPECT_EQ(join_sentences({"你好。", "再见。"}), "你好。再见。");
}

}  // namespace
}  // namespace polymoe
