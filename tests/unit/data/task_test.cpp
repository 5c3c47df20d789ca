#include "polymoe/data/task.h"

#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "polymoe/base/error.h"

namespace polymoe {
namespace {

using ::testing::HasSubstr;

const std::vector<std::string> kLanguages = {"de", "en", "pt_BR"};
const std::vector<Direction> kAvailable = {{"de", "en"}, {"en", "de"}, {"en", "pt_BR"}, {"pt_BR", "en"}};

std::vector<std::string> matched(const std::vector<std::string>& patterns) {
  std::vector<std::string> names;
  for (const Direction& direction : match_directions(patterns, kAvailable, kLanguages))
    names.push_back(direction.name());
  return names;
}

std::string error_of(const std::vector<std::string>& patterns) {
  try {
    matched(patterns);
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

using Names = std::vector<std::string>;

TEST(Directions, ArePatternsOfLanguages) {
  EXPECT_EQ(matched({}), (Names{"de-en", "en-de", "en-pt_BR", "pt_BR-en"}));
  EXPECT_EQ(matched({"*-*"}), matched({}));
  EXPECT_EQ(matched({"en-*"}), (Names{"en-de", "en-pt_BR"}));
  EXPECT_EQ(matched({"*-en"}), (Names{"de-en", "pt_BR-en"}));
  EXPECT_EQ(matched({"en-pt_BR"}), Names{"en-pt_BR"});
}

TEST(Directions, ComeOnceAndInOneOrder) {
  EXPECT_EQ(matched({"pt_BR-en", "en-de", "*-en", "en-de"}), (Names{"de-en", "en-de", "pt_BR-en"}));
}

TEST(Directions, NameTheNearestLanguage) {
  EXPECT_THAT(error_of({"en-dd"}), HasSubstr("did you mean 'de'?"));
  EXPECT_THAT(error_of({"xx-*"}), HasSubstr("the data has no language 'xx'"));
}

TEST(Directions, RefuseWhatNoCorpusPairs) {
  EXPECT_THAT(error_of({"de-pt_BR"}), HasSubstr("direction de-pt_BR: no corpus pairs these languages"));
  EXPECT_THAT(error_of({"de-de"}), HasSubstr("no corpus pairs"));
}

TEST(Directions, RefuseWhatIsNoDirection) {
  for (const char* text : {"", "en", "-", "en-", "-de", "en-de-fr", "pt-BR-en"}) {
    EXPECT_THROW(parse_direction(text), Error) << text;
  }
  EXPECT_EQ(parse_direction("en-pt_BR"), (Direction{"en", "pt_BR"}));
}

TEST(MatchDirections, KnowsLanguagesUnderOtherNames) {
  const std::vector<Direction> available = {{"de", "nb"}, {"nb", "de"}};
  EXPECT_EQ(match_directions({"de_DE-no"}, available, {"de", "nb"}), (std::vector<Direction>{{"de", "nb"}}));
}

}  // namespace
}  // namespace polymoe
