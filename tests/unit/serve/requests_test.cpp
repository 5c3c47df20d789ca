#include "polymoe/serve/requests.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "polymoe/serve/api_error.h"

namespace polymoe {
namespace {

using ::testing::ElementsAre;

constexpr const char* kJson = "application/json";
constexpr const char* kForm = "application/x-www-form-urlencoded";

/// "STATUS sentence"; "" where the request is fine.
std::string refusal(const std::string& body, const RequestLimits& limits = {}) {
  try {
    read_translate_request(kJson, body, limits);
  } catch (const ApiError& error) {
    return std::to_string(error.status()) + " " + error.what();
  }
  return "";
}

TEST(Requests, AreReadFromJson) {
  const TranslateRequest request = read_translate_request(
      kJson, R"({"q": "a\nb", "source": "auto", "target": "de", "format": "html", "alternatives": 2, "api_key": "k"})",
      {});
  EXPECT_THAT(request.texts, ElementsAre("a\nb"));
  EXPECT_FALSE(request.is_list);
  EXPECT_EQ(request.source, "auto");
  EXPECT_EQ(request.target, "de");
  EXPECT_TRUE(request.is_html);
  EXPECT_EQ(request.alternatives, 2u);
  EXPECT_EQ(request.api_key, "k");
}

TEST(Requests, AreReadFromForms) {
  const TranslateRequest request =
      read_translate_request(kForm, "q=a%20b%2B+c&source=en&target=de&alternatives=1&api_key=", {});
  EXPECT_THAT(request.texts, ElementsAre("a b+ c"));
  EXPECT_EQ(request.alternatives, 1u);
  EXPECT_THAT(read_translate_request(kForm, "q=a&q=b&source=en&target=de", {}).texts, ElementsAre("a", "b"));
  EXPECT_THAT(read_form("x=%zz&=1&y")["x"], ElementsAre("%zz"));
}

TEST(Requests, MayHoldLists) {
  const TranslateRequest request =
      read_translate_request(kJson, R"({"q": ["a", ""], "source": "en", "target": "de"})", {});
  EXPECT_TRUE(request.is_list);
  EXPECT_THAT(request.texts, ElementsAre("a", ""));
}

TEST(Requests, AreRefusedWithAReason) {
  EXPECT_THAT(refusal("{"), ::testing::StartsWith("400 the body is not a JSON object"));
  EXPECT_EQ(refusal(R"({"source": "en", "target": "de"})"), "400 the field \"q\" is missing");
  EXPECT_EQ(refusal(R"({"q": 1, "source": "en", "target": "de"})"), "400 the field \"q\" is not a string");
  EXPECT_EQ(refusal(R"({"q": ["a", 1], "source": "en", "target": "de"})"), "400 the field \"q\" is not a string");
  EXPECT_EQ(refusal(R"({"q": "a\u0000", "source": "en", "target": "de"})"),
            "400 the field \"q\" holds a NUL character");
  EXPECT_EQ(refusal(R"({"q": "a", "source": "en"})"), "400 the field \"target\" is missing");
  EXPECT_EQ(refusal(R"({"q": "a", "source": "en", "target": "de", "format": "pdf"})"),
            "400 \"format\" is neither \"text\" nor \"html\"");
  EXPECT_EQ(refusal(R"({"q": "a", "source": "en", "target": "de", "alternatives": -1})"),
            "400 \"alternatives\" must be a number from 0 to 4");
  EXPECT_EQ(refusal(R"({"q": ["a", "b", "c"], "source": "en", "target": "de"})", {.max_texts = 2}),
            "413 3 texts; a request may hold 2");
  EXPECT_EQ(refusal(R"({"q": "abc", "source": "en", "target": "de"})", {.max_characters = 2}),
            "413 3 bytes of text; a request may hold 2");
  const std::string brackets(10'001, '[');
  EXPECT_EQ(read_translate_request(kJson, R"({"source": "en", "target": "de", "q": ")" + brackets + "\"}", {}).texts,
            std::vector<std::string>{brackets});
  EXPECT_EQ(refusal("{\"q\":" + std::string(100'000, '[')), "400 the JSON has too many lists and objects");
}

TEST(Requests, ForDetectionHoldOneText) {
  EXPECT_EQ(read_detect_request(kForm, "q=Hello", {}).text, "Hello");
  EXPECT_THROW(read_detect_request(kJson, "{}", {}), ApiError);
}

}  // namespace
}  // namespace polymoe
