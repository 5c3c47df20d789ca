#include "polymoe/text/glossary.h"

#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "polymoe/base/error.h"
#include "polymoe/base/files.h"
#include "support/log_capture.h"
#include "support/temporary_folder.h"

namespace polymoe {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class GlossaryTest : public ::testing::Test {
 protected:
  Glossary load(const std::string& text) {
    write_file(path_, text);
    return Glossary::load(path_);
  }

  std::string error_of(const std::string& text) {
    try {
      load(text);
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  }

  /// "term=target/target" for each match.
  static std::vector<std::string> found(const Glossary& glossary, const std::string& sentence) {
    std::vector<std::string> all;
    for (const GlossaryMatch& match : glossary.find(sentence)) {
      std::string text = sentence.substr(match.begin, match.end - match.begin) + "=";
      for (const std::string& target : match.targets) text += (text.back() == '=' ? "" : "/") + target;
      all.push_back(text);
    }
    return all;
  }

  testing::TemporaryFolder folder_;
  std::filesystem::path path_ = folder_ / "terms.tsv";
  testing::LogCapture log_;
};

TEST_F(GlossaryTest, IsReadFromTextAsFromAFile) {
  const std::string text = "# terms\n\nfile\tDatei\tAkte\nprint\tdrucken";
  const std::string marked = "\xEF\xBB\xBF" + text.substr(text.find("file"));  // with a byte-order mark
  for (const Glossary& glossary :
       {load(text), Glossary::parse(text, "terms"), load(marked), Glossary::parse(marked, "terms")}) {
    EXPECT_EQ(glossary.size(), 2U);
    EXPECT_THAT(found(glossary, "print the file"), ElementsAre("print=drucken", "file=Datei/Akte"));
  }
  EXPECT_THROW(Glossary::parse("", "terms"), Error);
  EXPECT_THROW(Glossary::parse("file\tDatei\nprint\n", "terms"), Error);
}

TEST_F(GlossaryTest, FindsTermsAtTheBordersOfWords) {
  const Glossary glossary = load("# terms\n\nfile\tDatei\nC++\tC++\n");
  EXPECT_EQ(glossary.size(), 2u);
  EXPECT_THAT(found(glossary, "a file, files, profile, file_1 and (file)"), ElementsAre("file=Datei", "file=Datei"));
  EXPECT_THAT(found(glossary, "in C++."), ElementsAre("C++=C++"));
  EXPECT_THAT(found(glossary, ""), IsEmpty());
}

TEST_F(GlossaryTest, ATermInSmallLettersIsFoundInAnyCase) {
  const Glossary glossary = load("file\tdatei\nWindows\tWindows\nöl\toil\n");
  EXPECT_THAT(found(glossary, "File FILE file"), ElementsAre("File=datei/Datei", "FILE=datei/Datei", "file=datei"));
  EXPECT_THAT(found(glossary, "Windows has windows"), ElementsAre("Windows=Windows"));
  EXPECT_THAT(found(glossary, "Öl"), ElementsAre("Öl=oil/Oil"));
}

TEST_F(GlossaryTest, TheLongestTermCountsAndSpacesAreAlike) {
  const Glossary glossary = load("file\tDatei\nfile system\tDateisystem\nfile system check\tPrüfung\tTest\n");
  EXPECT_THAT(found(glossary, "file  system of a file"), ElementsAre("file  system=Dateisystem", "file=Datei"));
  EXPECT_THAT(found(glossary, "file\u00A0system check"), ElementsAre("file\u00A0system check=Prüfung/Test"));
  EXPECT_THAT(found(glossary, "file-system"), ElementsAre("file=Datei"));
}

TEST_F(GlossaryTest, ScriptsWithoutSpacesHaveABorderAtEachCharacter) {
  const Glossary glossary = load("文件\tfile\n");
  EXPECT_THAT(found(glossary, "打开文件夹"), ElementsAre("文件=file"));
}

TEST_F(GlossaryTest, OfATermThatStandsTwiceTheLaterLineCounts) {
  const Glossary glossary = load("file\tDatei\nfolder\tOrdner\nfile\tAkte\n");
  EXPECT_THAT(found(glossary, "file"), ElementsAre("file=Akte"));
  ASSERT_EQ(log_.warnings().size(), 1u);
  EXPECT_THAT(log_.warnings()[0], HasSubstr("terms.tsv:3: the term of line 1 stands here again"));
}

TEST_F(GlossaryTest, BadLinesAreNamed) {
  EXPECT_THAT(error_of("file\tDatei\nfolder Ordner\n"), HasSubstr("terms.tsv:2: no tab in 'folder Ordner'"));
  EXPECT_THAT(error_of("\tDatei\n"), HasSubstr("terms.tsv:1: no term before the tab"));
  EXPECT_THAT(error_of("file\t \n"), HasSubstr("terms.tsv:1: an empty translation"));
  EXPECT_THAT(error_of("# only this\n"), HasSubstr("terms.tsv: no terms"));
  EXPECT_THAT(error_of("fi\xFFle\tDatei\n"), HasSubstr("terms.tsv:1: "));
}

}  // namespace
}  // namespace polymoe
