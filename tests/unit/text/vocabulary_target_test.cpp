#include "polymoe/text/vocabulary_target.h"

#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "polymoe/base/error.h"
#include "support/log_capture.h"
#include "support/temporary_folder.h"
#include "unit/data/test_data.h"

namespace polymoe {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class VocabularyTarget : public ::testing::Test {
 protected:
  std::string error_of(const fs::path& path) const {
    try {
      check_vocabulary_target(path, parse_corpora({"train:mono:en=" + corpus_ + ",de=" + (folder_ / "none").string()}));
    } catch (const Error& error) {
      return error.what();
    }
    return "no error";
  }

  testing::TemporaryFolder folder_;
  const std::string corpus_ = folder_.write("text.en", "Open the door.\n");
  testing::LogCapture log_;
};

TEST_F(VocabularyTarget, MayBeNewOrEmpty) {
  EXPECT_EQ(error_of(folder_ / "v"), "no error");
  EXPECT_EQ(error_of(folder_.write("empty", "")), "no error");
  EXPECT_THAT(log_.warnings(), ElementsAre());
  EXPECT_EQ(testing::names_in(folder_.path()), (std::set<std::string>{"empty", "text.en"}));
}

TEST_F(VocabularyTarget, IsRefusedWhereNoFileCanBeMade) {
  EXPECT_THAT(error_of(folder_.path()), HasSubstr("is a folder, not a file"));
  EXPECT_THAT(error_of(folder_ / "none/v"), HasSubstr("cannot create: No such file"));
  EXPECT_THAT(error_of("/dev/null"), HasSubstr("is no file that can be replaced"));
}

TEST_F(VocabularyTarget, LeavesAloneWhatIsNoVocabulary) {
  EXPECT_THAT(error_of(folder_.write("thesis", "text")), HasSubstr("thesis: exists and is no vocabulary"));
  fs::create_symlink(corpus_, folder_ / "link");
  for (const fs::path& path : {fs::path(corpus_), folder_ / "link"}) {
    EXPECT_THAT(error_of(path), HasSubstr("is read as a corpus, so it is left alone; give another file"));
  }
}

TEST_F(VocabularyTarget, TellsBeforeTheWorkThatAnOlderVocabularyWillBeReplaced) {
  const std::string path = folder_.write("v", testing::test_vocabulary_bytes());
  EXPECT_EQ(error_of(path), "no error");
  EXPECT_THAT(log_.warnings(), ElementsAre(path + ": an older vocabulary, which will be replaced"));
  set_strict(true);
  EXPECT_THAT(error_of(path), HasSubstr("(an error with --strict)"));
}

}  // namespace
}  // namespace polymoe
