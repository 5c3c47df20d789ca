#include "polymoe/formats/segment.h"

#include <gtest/gtest.h>

#include "polymoe/formats/markup.h"

namespace polymoe {
namespace {

std::vector<Span> spans_of(const std::string& text) {
  std::vector<std::string> tags;
  return spans_of_message(text, tags);
}

TEST(Segment, ShowsTagsByName) {
  EXPECT_EQ(show(spans_of("Press <b class=x>OK</b> or <br/>wait")), "Press <b>OK</b> or <br/>wait");
}

TEST(Segment, NumbersTagsOfTheSameName) {
  EXPECT_EQ(show(spans_of("<a href=1>x</a> and <a href=2>y</a>")), "<a1>x</a1> and <a2>y</a2>");
}

TEST(Segment, ReadsTagsBackInAnyOrder) {
  const std::vector<Span> source = spans_of("<a href=1>x</a> and <a href=2>y</a>");
  const auto read = read_shown("<a2>Y</a2> und <a1>X</a1>!", source);
  ASSERT_TRUE(read);
  EXPECT_EQ(show(*read), "<a1>Y</a1> und <a2>X</a2>!");  // numbered anew
  EXPECT_EQ(read->at(0).tag, source[4].tag);
  EXPECT_EQ(read->at(3).text, " und ");
}

TEST(Segment, RefusesLostDoubledAndCrossedTags) {
  const std::vector<Span> source = spans_of("a <b>c</b> <i>d</i>");
  EXPECT_TRUE(read_shown("<i>D</i> A <b>C</b>", source));
  EXPECT_FALSE(read_shown("A C <i>D</i>", source));
  EXPECT_FALSE(read_shown("A <b>C</b> <b>C</b> <i>D</i>", source));
  EXPECT_FALSE(read_shown("A <b>C<i></b>D</i>", source));
  EXPECT_FALSE(read_shown("A </b>C<b> <i>D</i>", source));
  EXPECT_FALSE(read_shown("A <b>C</b> <i>D</i> <u>", source));
}

TEST(Segment, RefusesTextThatLooksLikeATag) {
  std::vector<Span> source = spans_of("a <b>c</b>");
  source[0].text = "a <i> ";
  EXPECT_FALSE(read_shown("A <i> <b>C</b>", source));
}

TEST(Segment, PeelsTagsAroundTheText) {
  const PeeledSpans peeled = peel(spans_of("<b><br/> Text</b>"));
  EXPECT_EQ(peeled.before.size(), 2u);
  EXPECT_EQ(show(peeled.core), " Text");
  EXPECT_EQ(peeled.behind.size(), 1u);
  EXPECT_EQ(show(peel(spans_of("<b>a</b> and <b>c</b>")).core), "<b1>a</b1> and <b2>c</b2>");
}

TEST(Segment, KeepsLoneTagsOfMessagesAsText) {
  EXPECT_EQ(text_of(spans_of("read <stdin> or </x>")), "read <stdin> or </x>");
  EXPECT_EQ(text_of(spans_of("<b>read <stdin></b>")), "read <stdin>");
}

}  // namespace
}  // namespace polymoe
