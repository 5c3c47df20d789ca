#include "polymoe/text/language_names.h"

#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "polymoe/base/error.h"
#include "polymoe/text/corpus.h"
#include "support/log_capture.h"

namespace polymoe {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

const std::vector<std::string> kKnown = {"de", "en", "nb", "pt_BR", "sr@latin", "zh_CN"};

TEST(LanguageNames, FindsAKnownOneUnderItsUsualNames) {
  const testing::LogCapture log;
  EXPECT_EQ(known_language("pt-BR", kKnown), "pt_BR");
  EXPECT_EQ(known_language("de_DE", kKnown), "de");
  EXPECT_EQ(known_language("de-DE", kKnown), "de");
  EXPECT_EQ(known_language("no", kKnown), "nb");
  EXPECT_EQ(known_language("zh-Hans", kKnown), "zh_CN");
  EXPECT_EQ(known_language("sr_RS@latin", kKnown), "sr@latin");
  EXPECT_EQ(log.warnings().size(), 6u);
  EXPECT_EQ(log.warnings()[3], "the language 'no' is named 'nb' here");
  known_language("no", kKnown);
  EXPECT_EQ(log.warnings().size(), 6u);  // each is told once
}

TEST(LanguageNames, FindsThoseOfImportedVocabularies) {
  const testing::LogCapture log;
  const std::vector<std::string> flores = {"deu_Latn", "eng_Latn", "nob_Latn", "zho_Hans", "zho_Hant"},
                                 marian = {"deu", "eng"};
  EXPECT_EQ(known_language("de", flores), "deu_Latn");
  EXPECT_EQ(known_language("en", flores), "eng_Latn");
  EXPECT_EQ(known_language("no", flores), "nob_Latn");
  EXPECT_EQ(known_language("zh_TW", flores), "zho_Hant");
  EXPECT_EQ(known_language("zh", flores), "zho_Hans");
  EXPECT_EQ(known_language("deu_Latn", kKnown), "de");
  EXPECT_EQ(known_language("de", marian), "deu");
  EXPECT_EQ(known_language("eng_Latn", marian), "eng");
  EXPECT_EQ(known_language("fr", flores), "");
  EXPECT_EQ(log.warnings().size(), 8u);
  EXPECT_EQ(log.warnings()[0], "the language 'de' is named 'deu_Latn' here");
}

TEST(LanguageNames, LeavesKnownNamesAsTheyAreAndMakesNoneUp) {
  const testing::LogCapture log;
  for (const std::string& name : kKnown) EXPECT_EQ(known_language(name, kKnown), name);
  EXPECT_EQ(known_language("no", {"nb", "no"}), "no");
  for (const char* name : {"fr", "zh_TW", "en_GB", "", "d", "DE"}) EXPECT_EQ(known_language(name, kKnown), "") << name;
  EXPECT_THAT(log.warnings(), IsEmpty());
}

TEST(LanguageNames, ToldWhereACorpusHasOthersThanTheProject) {
  const testing::LogCapture log;
  EXPECT_EQ(parse_corpora({"train:mono:pt-BR=a.txt,de=b.txt"}).at(0).languages, std::vector<std::string>{"pt_BR"});
  EXPECT_THAT(log.warnings(), ElementsAre("the language 'pt-BR' is named 'pt_BR' here"));
}

}  // namespace
}  // namespace polymoe
