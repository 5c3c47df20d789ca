#include "polymoe/formats/pairs.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "polymoe/base/error.h"

namespace polymoe {
namespace {

using ::testing::ElementsAre;
using ::testing::Pair;

std::string listed(const MoCatalog& catalog) {
  std::string text;
  for (const CatalogMessage& message : catalog.messages) {
    text += message.id;
    for (const std::string& translation : message.translations) text += "=" + translation;
    text += ";";
  }
  return text;
}

std::string translations(DocumentFormat format, const std::string& text, bool unreviewed = false) {
  return listed(read_translations(format, text, {"file", "en", "de"}, unreviewed));
}

TEST(Pairs, AreTheReviewedEntriesOfACatalogue) {
  const std::string text =
      "msgid \"a\"\nmsgstr \"A\"\n\n#, fuzzy\nmsgid \"b\"\nmsgstr \"B\"\n\n#~ msgid \"c\"\n#~ msgstr \"C\"\n\n"
      "msgid \"d\"\nmsgid_plural \"ds\"\nmsgstr[0] \"D\"\nmsgstr[1] \"DS\"\n";
  EXPECT_EQ(translations(DocumentFormat::kPo, text), "a=A;d=D=DS;");
  EXPECT_EQ(translations(DocumentFormat::kPo, text, true), "a=A;b=B;d=D=DS;");
}

TEST(Pairs, AreTheUnitsOfAMemoryWithBothLanguages) {
  EXPECT_EQ(translations(DocumentFormat::kTmx,
                         "<tmx><body><tu><tuv xml:lang='en'><seg>a <ph>x</ph>b</seg></tuv><tuv xml:lang='de-AT'>"
                         "<seg>A B</seg></tuv></tu><tu><tuv xml:lang='en'><seg>c</seg></tuv></tu></body></tmx>"),
            "a b=A B;");
}

TEST(Pairs, AreTheReviewedTargetsOfXliff) {
  const std::string first =
      "<xliff version='1.2'><file><body><trans-unit><source>a</source><target>A</target></trans-unit><trans-unit>"
      "<source>b</source><target state='needs-review-translation'>B</target></trans-unit></body></file></xliff>";
  EXPECT_EQ(translations(DocumentFormat::kXliff, first), "a=A;");
  EXPECT_EQ(translations(DocumentFormat::kXliff, first, true), "a=A;b=B;");
  const std::string second =
      "<xliff version='2.1'><file><unit><segment state='final'><source>a</source><target>A</target></segment><segment "
      "state='translated'><source>b</source><target>B</target></segment></unit></file></xliff>";
  EXPECT_EQ(translations(DocumentFormat::kXliff, second), "a=A;");
  EXPECT_EQ(translations(DocumentFormat::kXliff, second, true), "a=A;b=B;");
}

std::map<std::string, std::uint64_t> passed_over(DocumentFormat format, const std::string& text) {
  return read_translations(format, text, {"file", "en", "de"}, false).passed_over;
}

TEST(Pairs, AVariantIsNoTranslationOfItself) {
  const MoCatalog catalog =
      read_translations(DocumentFormat::kTmx, "<tmx><body><tu><tuv xml:lang='pt'><seg>a</seg></tuv></tu></body></tmx>",
                        {"file", "pt", "pt_BR"}, false);
  EXPECT_TRUE(catalog.messages.empty());
  EXPECT_EQ(catalog.passed_over.size(), 1U);
}

TEST(Pairs, CountWhatIsLeftOut) {
  EXPECT_THAT(passed_over(DocumentFormat::kPo,
                          "msgid \"a\"\nmsgstr \"A\"\n\n#, fuzzy\nmsgid \"b\"\nmsgstr \"B\"\n\n#~ msgid \"c\"\n"
                          "#~ msgstr \"C\"\n\n#~ msgid \"d\"\n#~ msgstr \"D\"\n"),
              ElementsAre(Pair("messages that are obsolete", 2u), Pair("messages that wait for review (fuzzy)", 1u)));
  EXPECT_THAT(
      passed_over(DocumentFormat::kTmx,
                  "<tmx><body><tu><tuv xml:lang='en'><seg>a</seg></tuv><tuv xml:lang='de'><seg>A</seg></tuv></tu>"
                  "<tu><tuv xml:lang='en'><seg>c</seg></tuv></tu><tu><tuv xml:lang='fr'><seg>d</seg></tuv></tu>"
                  "</body></tmx>"),
      ElementsAre(Pair("units without text of 'de'", 1u), Pair("units without text of 'en'", 1u)));
  EXPECT_THAT(
      passed_over(DocumentFormat::kXliff,
                  "<xliff version='1.2'><file><body><trans-unit><source>a</source></trans-unit><trans-unit><source>b"
                  "</source><target state='new'>B</target></trans-unit></body></file></xliff>"),
      ElementsAre(Pair("units that wait for review", 1u), Pair("units without a target", 1u)));
}

TEST(Pairs, AreOfTheLanguageOfTheCatalogue) {
  const auto header = [](const std::string& field) { return "msgid \"\"\nmsgstr \"" + field + "\\n\"\n\n"; };
  const std::string entry = "msgid \"a\"\nmsgstr \"A\"\n";
  EXPECT_EQ(translations(DocumentFormat::kPo, header("Language: de_AT") + entry), "a=A;");
  EXPECT_THROW(translations(DocumentFormat::kPo, header("Language: fr") + entry), Error);
  EXPECT_THROW(translations(DocumentFormat::kPo, header("Content-Type: text/plain; charset=ASCII") + entry), Error);
}

TEST(Pairs, HoldTextThatIsNotTranslated) {
  EXPECT_EQ(
      translations(DocumentFormat::kXliff,
                   "<xliff version='2.0'><file><unit><segment state='final'><source>Use <mrk translate='no'>Vim</mrk>"
                   "</source><target>Nimm <mrk translate='no'>Vim</mrk></target></segment></unit></file></xliff>"),
      "Use Vim=Nimm Vim;");
}

TEST(Pairs, AreInNoOtherFormat) { EXPECT_THROW(translations(DocumentFormat::kHtml, "<p>a</p>"), Error); }

}  // namespace
}  // namespace polymoe
