#include "polymoe/text/gettext/mo_catalog.h"

#include <cinttypes>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "polymoe/base/error.h"
#include "unit/text/gettext/mo_builder.h"

namespace polymoe {
namespace {

using namespace std::string_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

MoCatalog parse(const std::string& file) { return parse_mo_catalog(bytes_of(file), "test.mo"); }

std::string error_of(const std::string& file) {
  try {
    parse(file);
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

/// A catalogue with one 32-bit word replaced.
std::string with_word(std::string file, std::size_t offset, std::uint32_t value) {
  std::string word;
  MoBuilder().put(word, value);
  return file.replace(offset, 4, word);
}

TEST(MoCatalog, ReadsBothByteOrders) {
  for (const bool big_endian : {false, true}) {
    const MoCatalog catalog =
        parse(MoBuilder(big_endian).utf8_header().add("Open", "Öffnen").add("Quit", "Beenden").build());
    ASSERT_EQ(catalog.messages.size(), 2u);
    EXPECT_EQ(catalog.messages[0].id, "Open");
    EXPECT_THAT(catalog.messages[0].translations, ElementsAre("Öffnen"));
    EXPECT_EQ(catalog.messages[1].id, "Quit");
    EXPECT_THAT(catalog.messages[1].translations, ElementsAre("Beenden"));
  }
}

TEST(MoCatalog, TakesContextsAndPluralsApart) {
  const MoCatalog catalog = parse(MoBuilder()
                                      .utf8_header()
                                      .add("menu\4Open"s, "Ouvrir")
                                      .add("%d file\0%d files"s, "%d fichier\0%d fichiers"s)
                                      .build());
  ASSERT_EQ(catalog.messages.size(), 2u);
  const CatalogMessage& plural = catalog.messages[0];
  EXPECT_EQ(plural.context, "");
  EXPECT_EQ(plural.id, "%d file");
  EXPECT_EQ(plural.plural_id, "%d files");
  EXPECT_THAT(plural.translations, ElementsAre("%d fichier", "%d fichiers"));
  EXPECT_EQ(catalog.messages[1].context, "menu");
  EXPECT_EQ(catalog.messages[1].id, "Open");
}

TEST(MoCatalog, ConvertsOtherCharsets) {
  const MoCatalog catalog = parse(MoBuilder()
                                      .header("Content-Type: text/plain; charset=KOI8-R\n")
                                      .add("Yes", "\xE4\xC1")  // "Да" in KOI8-R
                                      .build());
  EXPECT_EQ(catalog.messages.at(0).translations.at(0), "Да");
}

TEST(MoCatalog, LeavesOutMessagesThatAreNotTextInTheCharset) {
  const MoCatalog catalog = parse(MoBuilder().utf8_header().add("Bad", "\xFF\xFE").add("Good", "Bien").build());
  ASSERT_EQ(catalog.messages.size(), 1u);
  EXPECT_EQ(catalog.messages[0].id, "Good");
  EXPECT_EQ(catalog.undecodable, 1u);
}

TEST(MoCatalog, ReadsThePluralRule) {
  const MoCatalog catalog = parse(MoBuilder().utf8_header("nplurals=1; plural=0;").build());
  EXPECT_EQ(catalog.plural_rule.forms(), 1u);
}

TEST(MoCatalog, RejectsWhatIsNoCatalogue) {
  EXPECT_THAT(error_of(""), HasSubstr("test.mo: shorter than the header"));
  EXPECT_THAT(error_of(std::string(100, 'x')), HasSubstr("wrong magic number"));
  const std::string good = MoBuilder().utf8_header().add("Open", "Öffnen").build();
  EXPECT_THAT(error_of(with_word(good, 4, 0x00020000)), HasSubstr("revision"));
}

TEST(MoCatalog, RejectsEveryTruncation) {
  const std::string good = MoBuilder().utf8_header().add("Open", "Öffnen").add("Quit", "Beenden").build();
  ASSERT_NO_THROW(parse(good));
  // The last byte is the NUL after the last string, which is not needed.
  for (std::size_t size = 0; size + 1 < good.size(); ++size) EXPECT_THROW(parse(good.substr(0, size)), Error) << size;
}

TEST(MoCatalog, RejectsTablesAndStringsOutsideTheFile) {
  const std::string good = MoBuilder().utf8_header().add("Open", "Öffnen").build();
  EXPECT_THAT(error_of(with_word(good, 8, 0xFFFFFFFF)), HasSubstr("table lies outside"));    // number of strings
  EXPECT_THAT(error_of(with_word(good, 12, 0xFFFFFFF0)), HasSubstr("table lies outside"));   // originals
  EXPECT_THAT(error_of(with_word(good, 16, 0xFFFFFFF0)), HasSubstr("table lies outside"));   // translations
  EXPECT_THAT(error_of(with_word(good, 28, 0xFFFFFFFF)), HasSubstr("string lies outside"));  // length of the first
  EXPECT_THAT(error_of(with_word(good, 32, 0xFFFFFFFF)), HasSubstr("string lies outside"));  // offset of the first
}

TEST(MoCatalog, RejectsStringsThatShareBytes) {
  // A thousand strings, all the same thousand bytes: the file is small, its text would be a megabyte.
  const MoBuilder builder;
  std::string file;
  constexpr std::uint32_t kCount = 1000, kHeader = 28, kText = kHeader + 16 * kCount;
  for (const std::uint32_t value : {0x950412deu, 0u, kCount, kHeader, kHeader + 8 * kCount, 0u, 0u})
    builder.put(file, value);
  for (std::uint32_t i = 0; i < 2 * kCount; ++i) {
    builder.put(file, 1000);
    builder.put(file, kText);
  }
  file += std::string(1000, 'a');
  EXPECT_THAT(error_of(file), HasSubstr("overlap"));
}

TEST(MoCatalog, RejectsUnknownCharsets) {
  const auto with_charset = [](const std::string& charset) {
    return MoBuilder().header("Content-Type: text/plain; charset=" + charset + "\n").add("a", "b").build();
  };
  EXPECT_THAT(error_of(with_charset("KLINGON-8")), HasSubstr("unknown charset 'KLINGON-8'"));
  EXPECT_THAT(error_of(with_charset("LATIN1//IGNORE")), HasSubstr("unknown charset"));
}

TEST(MoCatalog, ReadsMessagesThatDependOnThePlatform) {
  for (const bool big_endian : {false, true}) {
    MoBuilder builder(big_endian);
    builder.utf8_header().add("Open", "\u00D6ffnen");
    builder.add_platform("Copied %<PRIu64> bytes in %<PRId32> s", "%<PRIu64> Bytes in %<PRId32> s kopiert");
    builder.add_platform("%<PRIdMAX> file\0%<PRIdMAX> files"s, "%<PRIdMAX> Datei\0%<PRIdMAX> Dateien"s);
    const MoCatalog catalog = parse_mo_catalog(bytes_of(builder.build()), "a.mo");
    ASSERT_EQ(catalog.messages.size(), 3u);
    EXPECT_EQ(catalog.messages[0].id, "Open");
    EXPECT_EQ(catalog.messages[1].id, "Copied %" PRIu64 " bytes in %" PRId32 " s");
    EXPECT_EQ(catalog.messages[1].translations.at(0), "%" PRIu64 " Bytes in %" PRId32 " s kopiert");
    EXPECT_EQ(catalog.messages[2].plural_id, "%" PRIdMAX " files");
    EXPECT_EQ(catalog.messages[2].translations.at(1), "%" PRIdMAX " Dateien");
    EXPECT_EQ(catalog.unknown_directives, 0u);
  }
}

TEST(MoCatalog, CountsMessagesWithDirectivesThatThePlatformLacks) {
  const std::string file = MoBuilder()
                               .utf8_header()
                               .add_platform("%<PRIu64> bytes", "%<PRIu64> Bytes")
                               .add_platform("%<PRIz9> x", "%<PRIz9> y")
                               .build();
  const MoCatalog catalog = parse_mo_catalog(bytes_of(file), "a.mo");
  EXPECT_EQ(catalog.messages.size(), 1u);
  EXPECT_EQ(catalog.unknown_directives, 1u);
}

TEST(MoCatalog, RefusesDamagedTablesOfThePlatformsStrings) {
  const std::string good = MoBuilder().utf8_header().add_platform("%<PRIu64> bytes", "%<PRIu64> Bytes").build();
  EXPECT_EQ(error_of(good), "no error");
  // Numbers and places of the three tables; a wrong one may also hit bytes that are a string by chance.
  for (const std::size_t place : {28, 32, 36, 40, 44}) {
    EXPECT_NE(error_of(with_word(good, place, 0x7FFFFFF0)), "no error") << place;
    EXPECT_NE(error_of(with_word(good, place, 0xFFFFFFFF)), "no error") << place;
  }
  for (std::size_t size = 20; size < good.size(); ++size) {
    const std::string cut = good.substr(0, size);
    static_cast<void>(error_of(cut));  // an error or not, it must not read beyond the end
  }
}

}  // namespace
}  // namespace polymoe
