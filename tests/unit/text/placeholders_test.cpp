#include "polymoe/text/placeholders.h"

#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace polymoe {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

/// The text of each, with what it stands behind or closes.
std::vector<std::string> found(const std::string& text) {
  std::vector<std::string> all;
  for (const Placeholder& place : find_placeholders(text)) {
    std::string own = text.substr(place.begin, place.end - place.begin);
    if (place.after != Placeholder::kNone) own += " after " + std::to_string(place.after);
    if (place.opening != Placeholder::kNone) own += " closes " + std::to_string(place.opening);
    if (place.kind == Placeholder::Kind::kLoneTag) own += " alone";
    all.push_back(own);
  }
  return all;
}

TEST(FindPlaceholders, FindsDirectivesInTheirOrder) {
  EXPECT_THAT(found("%s of %d, 100%% of {name} and ${HOME}"), ElementsAre("%s", "%d after 0", "{name}", "${HOME}"));
  EXPECT_THAT(found("%2$s %1$d {0} {} {} %(file)s"),
              ElementsAre("%2$s", "%1$d", "{0}", "{}", "{} after 3", "%(file)s"));
  EXPECT_THAT(found("100 % of 5 $, a < b, half {"), IsEmpty());
}

TEST(FindPlaceholders, PairsTags) {
  EXPECT_THAT(found("<a href=\"x\"><b>x</b></a><br/>"),
              ElementsAre("<a href=\"x\">", "<b>", "</b> closes 1", "</a> closes 0", "<br/> alone"));
  EXPECT_THAT(found("<br>x</i> <p>y"), ElementsAre("<br> alone", "</i> alone", "<p> alone"));
  EXPECT_THAT(found("<b><i>x</b></i>"), ElementsAre("<b>", "<i> alone", "</b> closes 0", "</i> alone"));
}

TEST(FindPlaceholders, TakesAddressesWithoutThePunctuationBehindThem) {
  EXPECT_THAT(found("See (https://a.org/x?y=%20{z}), or http://b.org."),
              ElementsAre("https://a.org/x?y=%20{z}", "http://b.org"));
  EXPECT_THAT(found("https:// is a scheme, xhttp://a none"), IsEmpty());
}

TEST(KeepsPlaceholders, ComparesThemAsTheyMustStand) {
  EXPECT_TRUE(keeps_placeholders("Open %s in %d", "In %s die %d"));
  EXPECT_FALSE(keeps_placeholders("Open %s in %d", "In %d die %s"));
  EXPECT_TRUE(keeps_placeholders("Open %1$s in %2$d", "In %2$d die %1$s"));
  EXPECT_FALSE(keeps_placeholders("Open %s", "Öffne %s %s"));
  EXPECT_FALSE(keeps_placeholders("Open %s", "Öffne"));
  EXPECT_TRUE(keeps_placeholders("a <b>c</b> <i>d</i>", "<i>d</i> a <b>c</b>"));
  EXPECT_FALSE(keeps_placeholders("a <b>c</b>", "a </b>c<b>"));
  EXPECT_FALSE(keeps_placeholders("a <b>c</b> <i>d</i>", "<b>a <i>c</b></i>"));
  EXPECT_TRUE(keeps_placeholders("<b>a <i>c</b> d</i>", "<b>a</b> <i>c d</i>")) << "better formed than its source";
}

}  // namespace
}  // namespace polymoe
