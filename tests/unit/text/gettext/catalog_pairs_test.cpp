#include "polymoe/text/gettext/catalog_pairs.h"

#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "unit/text/gettext/mo_builder.h"

namespace polymoe {
namespace {

using namespace std::string_literals;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

std::vector<std::string> lines_of(const MoBuilder& builder, PairCounts* counts = nullptr) {
  const std::string file = builder.build();
  PairCounts own;
  std::vector<std::string> lines;
  for (const SegmentPair& pair : pairs_of(parse_mo_catalog(bytes_of(file), "test.mo"), 200, counts ? *counts : own)) {
    lines.push_back(pair.english + " = " + pair.translation);
  }
  return lines;
}

TEST(CatalogPairs, PairSingularAndPluralByTheRule) {
  // Arabic's first form is for zero: the form for one is the second, the general plural the last.
  MoBuilder arabic;
  arabic.utf8_header(
      "nplurals=6; plural=n==0 ? 0 : n==1 ? 1 : n==2 ? 2 : n%100>=3 && n%100<=10 ? 3 : n%100>=11 ? 4 : 5;");
  arabic.add("day\0days"s, "صفر\0يوم\0يومان\0أيام\0يوما\0يوم عام"s);
  EXPECT_THAT(lines_of(arabic), ElementsAre("day = يوم", "days = يوم عام"));

  MoBuilder japanese;
  japanese.utf8_header("nplurals=1; plural=0;").add("%d file\0%d files"s, "%d 個のファイル"s);
  EXPECT_THAT(lines_of(japanese), ElementsAre("%d file = %d 個のファイル", "%d files = %d 個のファイル"));
}

TEST(CatalogPairs, TolerateMissingPluralForms) {
  MoBuilder builder;
  builder.utf8_header("nplurals=3; plural=n==1 ? 0 : n<5 ? 1 : 2;").add("day\0days"s, "den"s);
  EXPECT_THAT(lines_of(builder), ElementsAre("day = den", "days = den"));
}

TEST(CatalogPairs, SplitParagraphsWhereBothSidesHaveAsMany) {
  MoBuilder builder;
  builder.utf8_header()
      .add("First part.\n\nSecond part.\n", "Erster Teil.\n\nZweiter Teil.\n")
      .add("One part.\n\nTwo parts.", "Nur ein Teil.");
  PairCounts counts;
  EXPECT_THAT(lines_of(builder, &counts), ElementsAre("First part. = Erster Teil.", "Second part. = Zweiter Teil."));
  EXPECT_EQ(counts.unaligned, 1u);
  EXPECT_EQ(counts.messages, 2u);
}

TEST(CatalogPairs, LeaveOutWhatIsNoTranslation) {
  MoBuilder builder;
  builder.utf8_header()
      .add("translator-credits", "Erika Mustermann")
      .add("Your names", "Erika Mustermann")
      .add("column|Name", "Der Name")
      .add("Untranslated", "");
  EXPECT_THAT(lines_of(builder), IsEmpty());
}

TEST(CatalogPairs, StripAccelerators) {
  MoBuilder builder;
  builder.utf8_header().add("_Edit", "編集(_E)").add("_File", "ファイル(_F)").add("_Quit", "終了(_Q)");
  EXPECT_THAT(lines_of(builder), ElementsAre("Edit = 編集", "File = ファイル", "Quit = 終了"));
}

TEST(CatalogPairs, LeaveOutWhereOneSideKeepsAnAccelerator) {
  MoBuilder builder;
  builder.utf8_header().add("_Edit", "_Bearbeiten").add("_File", "_Datei_name").add("_Quit", "B_eenden");
  EXPECT_THAT(lines_of(builder), ElementsAre("Edit = Bearbeiten", "Quit = Beenden"));
}

TEST(CatalogPairs, CapListsAtTheSameNamesInEachLanguage) {
  MoBuilder german, french;
  german.utf8_header();
  french.utf8_header();
  for (std::size_t i = 0; i < 2 * kListCap + 100; ++i) {
    const std::string name = "Province " + std::to_string(i);
    german.add(name, "Provinz " + std::to_string(i));
    french.add(name, "La province " + std::to_string(i));
  }
  const auto english_of = [](const std::vector<std::string>& lines) {
    std::set<std::string> english;
    for (const std::string& line : lines) english.insert(line.substr(0, line.find(" =")));
    return english;
  };
  PairCounts counts;
  const std::vector<std::string> lines = lines_of(german, &counts);
  EXPECT_EQ(lines.size(), kListCap);
  EXPECT_EQ(counts.over_list_cap, kListCap + 100);
  EXPECT_EQ(english_of(lines), english_of(lines_of(french)));
}

}  // namespace
}  // namespace polymoe
