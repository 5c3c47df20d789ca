#include "polymoe/text/gettext/plural_rule.h"

#include <string>

#include <gtest/gtest.h>

namespace polymoe {
namespace {

TEST(PluralRule, IsGermanicByDefault) {
  const PluralRule rule;
  EXPECT_EQ(rule.forms(), 2u);
  EXPECT_EQ(rule.form_of(1), 0u);
  EXPECT_EQ(rule.form_of(0), 1u);
  EXPECT_EQ(rule.form_of(100), 1u);
}

TEST(PluralRule, EvaluatesTheRuleOfRussian) {
  const PluralRule rule(
      "nplurals=3; plural=(n%10==1 && n%100!=11 ? 0 : n%10>=2 && n%10<=4 && (n%100<10 || n%100>=20) ? 1 : 2);");
  EXPECT_EQ(rule.forms(), 3u);
  for (const unsigned long n : {1, 21, 101}) EXPECT_EQ(rule.form_of(n), 0u) << n;
  for (const unsigned long n : {2, 3, 24, 102}) EXPECT_EQ(rule.form_of(n), 1u) << n;
  for (const unsigned long n : {0, 5, 11, 12, 14, 100, 111}) EXPECT_EQ(rule.form_of(n), 2u) << n;
}

TEST(PluralRule, EvaluatesTheRuleOfArabic) {
  const PluralRule rule(
      "nplurals=6; plural=n==0 ? 0 : n==1 ? 1 : n==2 ? 2 : n%100>=3 && n%100<=10 ? 3 : n%100>=11 ? 4 : 5;");
  const std::size_t expected[] = {0, 1, 2, 3, 4, 5};
  const unsigned long numbers[] = {0, 1, 2, 7, 50, 100};
  for (int i = 0; i < 6; ++i) EXPECT_EQ(rule.form_of(numbers[i]), expected[i]) << numbers[i];
}

TEST(PluralRule, KeepsTheOrderOfOperators) {
  const PluralRule rule("nplurals=16; plural=2+3*n-8/2%3;");  // 2 + 3n - 1
  EXPECT_EQ(rule.form_of(1), 4u);
  EXPECT_EQ(rule.form_of(2), 7u);
  EXPECT_EQ(PluralRule("nplurals=2; plural=!n;").form_of(0), 1u);
  EXPECT_EQ(PluralRule("nplurals=2; plural=!!n;").form_of(7), 1u);
}

TEST(PluralRule, NeverGivesAFormThatIsNotThere) {
  EXPECT_EQ(PluralRule("nplurals=2; plural=n;").form_of(100), 1u);
  EXPECT_EQ(PluralRule("nplurals=2; plural=0-n;").form_of(1), 1u);
}

TEST(PluralRule, TakesTheGermanicRuleForWhatItCannotRead) {
  const std::string deep(100000, '(');
  for (const std::string& line :
       {std::string(), std::string("nplurals=INTEGER; plural=EXPRESSION;"), std::string("nplurals=3; plural=n==;"),
        std::string("nplurals=0; plural=0;"), std::string("nplurals=3; plural=n ? 1;"),
        "nplurals=3; plural=" + deep + ";", "nplurals=3; plural=" + deep.substr(0, 900) + ";",
        std::string("nplurals=99999999999999999999; plural=0;")}) {
    const PluralRule rule(line);
    EXPECT_EQ(rule.forms(), 2u) << line.substr(0, 60);
    EXPECT_EQ(rule.form_of(5), 1u) << line.substr(0, 60);
    EXPECT_FALSE(rule.is_read()) << line.substr(0, 60);
  }
}

TEST(PluralRule, SurvivesDivisionByZero) {
  EXPECT_EQ(PluralRule("nplurals=2; plural=1%n;").form_of(0), 0u);
  EXPECT_EQ(PluralRule("nplurals=2; plural=1/(n-n);").form_of(3), 0u);
}

}  // namespace
}  // namespace polymoe
