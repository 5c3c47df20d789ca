#include "polymoe/text/sentences.h"

#include <string_view>
#include <vector>

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

TEST(SplitSentences, GoesBySmallLettersOnlyWhereThereAreCapitals) {
  EXPECT_THAT(split_sentences("a man. a dog runs."), ElementsAre("a man.", "a dog runs."));
  EXPECT_THAT(split_sentences("A man. a dog runs."), ElementsAre("A man. a dog runs."));
  EXPECT_THAT(split_sentences("A man . a dog runs ."), ElementsAre("A man .", "a dog runs ."));
  EXPECT_THAT(split_sentences("a cat, e.g. a dog."), ElementsAre("a cat, e.g. a dog."));
}

TEST(SplitSentences, CutsNothingThatStaysWhole) {
  const std::string_view text = "See <img alt=\"A man. The dog.\"/> here. Go. <b>";
  const std::vector<std::string_view> whole{text.substr(4, 28), text.substr(43, 3)};
  ASSERT_EQ(whole[0], "<img alt=\"A man. The dog.\"/>");
  EXPECT_THAT(split_sentences(text, whole), ElementsAre("See <img alt=\"A man. The dog.\"/> here.", "Go.", "<b>"));
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

TEST(SplitToFit, CutsWhatStaysWholeOnlyWhereItDoesNotFit) {
  const std::string_view text = "one two <a b c d> three";
  const std::vector<std::string_view> whole{text.substr(8, 9)};
  const auto up_to = [](std::size_t bytes) { return [bytes](std::string_view part) { return part.size() <= bytes; }; };
  EXPECT_THAT(split_to_fit(text, up_to(16), whole), ElementsAre("one two", "<a b c d> three"));
  EXPECT_THAT(split_to_fit(text, up_to(9), whole), ElementsAre("one two", "<a b c d>", "three"));
  EXPECT_THAT(split_to_fit("<a b>", up_to(3), std::vector<std::string_view>{}), ElementsAre("<a", "b>"));
}

TEST(JoinSentences, PutsSpacesWhereTheScriptHasThem) {
  EXPECT_EQ(join_sentences({"One.", "", "Two."}), "One. Two.");
  EXPECT_EQ(join_sentences({"你好。", "再见。"}), "你好。再见。");
}

}  // namespace
}  // namespace polymoe
