#include "polymoe/text/gettext/gettext_corpus.h"

#include <map>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "polymoe/base/error.h"
#include "polymoe/text/corpus.h"
#include "polymoe/text/segment_cleaning.h"
#include "support/temporary_folder.h"
#include "unit/text/gettext/mo_builder.h"

namespace polymoe {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

/// A cache that holds the packages already, so that neither apt nor a network is needed.
class GettextCorpusTest : public ::testing::Test {
 protected:
  GettextCorpusTest() {
    options_.packages = {"alpha", "beta"};
    options_.cache = folder_.path() / "cache";
    options_.output = folder_.path() / "corpus";
  }

  void add_catalog(const std::string& package, const std::string& locale, const MoBuilder& catalog) {
    folder_.write("cache/" + package + "_1.0_all/usr/share/locale/" + locale + "/LC_MESSAGES/" + package + ".mo",
                  catalog.build());
  }

  /// Three hundred messages in alpha; beta has a few more, one of them an other translation of one of alpha's.
  void add_packages() {
    MoBuilder german, french;
    german.utf8_header();
    french.utf8_header();
    for (int i = 0; i < 300; ++i) {
      const std::string word = word_of(i);
      german.add("Open the " + word, "Öffne " + word);
      if (i % 2 == 0) french.add("Open the " + word, "Ouvrir " + word);
    }
    add_catalog("alpha", "de", german);
    add_catalog("alpha", "fr", french);
    add_catalog("beta", "de",
                MoBuilder().utf8_header().add("Open the " + word_of(0), "Später").add("Close", "Schließen"));
    add_catalog("beta", "en_GB", MoBuilder().utf8_header().add("Color", "Colour"));
  }

  /// A word of letters, for digits do not count when English segments are told apart.
  static std::string word_of(int i) { return {static_cast<char>('a' + i % 26), static_cast<char>('a' + i / 26), 'x'}; }

  /// All lines of the corpus as maps from language to text, by split.
  std::map<std::string, std::vector<std::map<std::string, std::string>>> read_corpus(const fs::path& path) {
    std::map<std::string, std::vector<std::map<std::string, std::string>>> rows;
    for (const CorpusSpec& spec : parse_corpora({path})) {
      CorpusReader reader(spec);
      std::vector<std::string> segments;
      while (reader.next(segments)) {
        std::map<std::string, std::string>& row = rows[spec.split].emplace_back();
        for (std::size_t i = 0; i < segments.size(); ++i) row[reader.languages()[i]] = segments[i];
      }
    }
    return rows;
  }

  testing::TemporaryFolder folder_;
  GettextOptions options_;
};

TEST_F(GettextCorpusTest, AlignsAllLanguagesByTheEnglishText) {
  add_packages();
  const GettextSummary summary = make_gettext_corpus(options_);
  EXPECT_EQ(summary.packages.at("alpha"), "1.0");
  EXPECT_EQ(summary.counts.repeated, 1u);
  std::set<std::string> english;
  for (const auto& [split, rows] : read_corpus(options_.output)) {
    for (const auto& row : rows) {
      const std::string& source = row.at("en");
      EXPECT_TRUE(english.insert(source).second) << source << " twice";
      if (source == "Close") {
        EXPECT_EQ(row.at("de"), "Schließen");
        continue;
      }
      const std::string word = source.substr(source.rfind(' ') + 1);
      EXPECT_EQ(row.at("de"), "Öffne " + word);  // alpha's, which is read first
      EXPECT_EQ(row.at("fr"), (word[0] - 'a') % 2 == 0 ? "Ouvrir " + word : "");
    }
  }
  EXPECT_EQ(english.size(), 301u);
}

TEST_F(GettextCorpusTest, CountsWhatItWrites) {
  add_packages();
  const GettextSummary summary = make_gettext_corpus(options_);
  EXPECT_THAT(summary.splits, ElementsAre("train", "valid", "test"));
  const auto rows = read_corpus(options_.output);
  for (std::size_t s = 0; s < 3; ++s) EXPECT_EQ(summary.lines[s], rows.at(summary.splits[s]).size());
  std::uint64_t french = 0;
  for (const std::uint64_t count : summary.segments.at("fr")) french += count;
  EXPECT_EQ(french, 150u);
}

TEST_F(GettextCorpusTest, KeepsASegmentInItsSplitWhateverElseIsChosen) {
  add_packages();
  options_.test_per_mille = 200;
  make_gettext_corpus(options_);
  std::map<std::string, std::string> split_of;
  for (const auto& [split, rows] : read_corpus(options_.output)) {
    for (const auto& row : rows) split_of[row.at("en")] = split;
  }
  options_.languages = {"fr"};
  options_.packages = {"alpha"};
  make_gettext_corpus(options_);
  for (const auto& [split, rows] : read_corpus(options_.output)) {
    for (const auto& row : rows) EXPECT_EQ(split_of.at(row.at("en")), split);
  }
}

TEST_F(GettextCorpusTest, PutsVariantsOfAnEnglishTextIntoOneSplit) {
  MoBuilder catalog;
  catalog.utf8_header();
  for (int i = 0; i < 300; ++i) {
    catalog.add("Open " + word_of(i), "Öffne " + word_of(i))
        .add("%s: OPEN " + word_of(i) + "!", "%s: Öffne " + word_of(i));
  }
  add_catalog("alpha", "de", catalog);
  options_.packages = {"alpha"};
  options_.test_per_mille = 400;
  make_gettext_corpus(options_);
  std::map<std::string, std::string> split_of_key;
  std::map<std::string, int> lines;
  for (const auto& [split, rows] : read_corpus(options_.output)) {
    for (const auto& row : rows) {
      EXPECT_EQ(split_of_key.try_emplace(split_key(row.at("en")), split).first->second, split);
      ++lines[split];
    }
  }
  EXPECT_EQ(lines["train"] + lines["valid"] + lines["test"], 600);
  EXPECT_GT(lines["test"], 150);  // 240 expected; six standard deviations of 300 pairs drawn with 0.4 are 102
}

TEST_F(GettextCorpusTest, GivesTheSameBytesEachTime) {
  add_packages();
  make_gettext_corpus(options_);
  const fs::path first = folder_.path() / "first";
  fs::rename(options_.output, first);
  make_gettext_corpus(options_);
  int files = 0;
  for (const fs::directory_entry& entry : fs::directory_iterator(first)) {
    EXPECT_EQ(read_file(entry.path()), read_file(options_.output / entry.path().filename())) << entry.path();
    ++files;
  }
  EXPECT_EQ(files, 10);  // corpus.json, and three splits of three languages
}

TEST_F(GettextCorpusTest, GoesOnWithoutADamagedCatalogue) {
  add_packages();
  folder_.write("cache/beta_1.0_all/usr/share/locale/fr/LC_MESSAGES/damaged.mo", "not a catalogue");
  EXPECT_EQ(make_gettext_corpus(options_).segments.size(), 2u);
}

TEST_F(GettextCorpusTest, ReplacesOnlyACorpus) {
  add_packages();
  folder_.write("corpus/letter.txt", "dear");
  EXPECT_THROW(make_gettext_corpus(options_), Error);
  EXPECT_TRUE(fs::exists(folder_.path() / "corpus/letter.txt"));
  fs::remove_all(options_.output);
  make_gettext_corpus(options_);
  EXPECT_NO_THROW(make_gettext_corpus(options_));
}

TEST_F(GettextCorpusTest, LeavesNothingBehindWhenItFails) {
  add_packages();
  options_.languages = {"xx"};
  try {
    make_gettext_corpus(options_);
    FAIL();
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("no package holds a catalogue for the language 'xx'; there are: de fr"));
  }
  int entries = 0;
  for ([[maybe_unused]] const fs::directory_entry& entry : fs::directory_iterator(folder_.path())) ++entries;
  EXPECT_EQ(entries, 1);  // the cache
}

TEST_F(GettextCorpusTest, ChecksItsOptions) {
  add_packages();
  for (const auto& [valid, test, max_chars] :
       std::vector<std::array<int, 3>>{{-1, 0, 9}, {0, -1, 9}, {300, 201, 9}, {1, 1, 0}}) {
    options_.valid_per_mille = valid;
    options_.test_per_mille = test;
    options_.max_chars = max_chars;
    EXPECT_THROW(make_gettext_corpus(options_), Error);
  }
}

TEST(LanguageOfLocale, DropsCharsetsAndIdleCountries) {
  EXPECT_EQ(language_of_locale("de"), "de");
  EXPECT_EQ(language_of_locale("de_DE"), "de");
  EXPECT_EQ(language_of_locale("ja.sjis"), "ja");
  EXPECT_EQ(language_of_locale("pt_BR"), "pt_BR");
  EXPECT_EQ(language_of_locale("pt_PT"), "pt");
  EXPECT_EQ(language_of_locale("zh_Hans"), "zh_CN");
  EXPECT_EQ(language_of_locale("sr_RS@latin"), "sr@latin");
  EXPECT_EQ(language_of_locale("no"), "nb");
}

TEST(LanguageOfLocale, IsEmptyForEnglishAndForOtherFolders) {
  for (const char* locale : {"en", "en_GB", "en@quot", "en_US.UTF-8", "C", "x y", ""}) {
    EXPECT_EQ(language_of_locale(locale), "") << locale;
  }
}

TEST_F(GettextCorpusTest, FindsLanguagesUnderTheNamesOfTheirFolders) {
  add_packages();
  options_.languages = {"de_DE"};
  const GettextSummary summary = make_gettext_corpus(options_);
  ASSERT_EQ(summary.segments.size(), 1u);
  EXPECT_TRUE(summary.segments.contains("de"));
}

TEST_F(GettextCorpusTest, CountsCataloguesThatItPassesOver) {
  add_packages();
  const std::uint64_t before = make_gettext_corpus(options_).skipped_catalogs;
  folder_.write("cache/beta_1.0_all/usr/share/locale/en_GB/LC_MESSAGES/other.mo", MoBuilder().utf8_header().build());
  folder_.write("cache/beta_1.0_all/usr/share/locale/fr/LC_MESSAGES/damaged.mo", "not a catalogue");
  EXPECT_EQ(make_gettext_corpus(options_).skipped_catalogs, before + 2);
}

}  // namespace
}  // namespace polymoe
