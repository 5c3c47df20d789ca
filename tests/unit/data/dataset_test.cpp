#include "polymoe/data/dataset.h"

#include <algorithm>
#include <fstream>
#include <map>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "polymoe/base/error.h"
#include "polymoe/base/remarks.h"
#include "polymoe/data/prepare.h"
#include "support/log_capture.h"
#include "unit/data/test_data.h"

namespace polymoe {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::invented_rows;
using testing::prepare_test_data;
using testing::TemporaryFolder;
using testing::write_corpus;

using Rows = std::vector<std::vector<std::string>>;

template <typename Action>
std::string error_of(Action action) {
  try {
    action();
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

std::vector<std::string> entries_of(const fs::path& folder) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder)) names.push_back(entry.path().filename());
  std::sort(names.begin(), names.end());
  return names;
}

/// Every file of a dataset and its bytes.
std::map<std::string, std::string> content_of(const fs::path& folder) {
  std::map<std::string, std::string> content;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (entry.is_regular_file()) content[fs::relative(entry.path(), folder)] = read_file(entry.path());
  }
  return content;
}

PrepareOptions options_for(const TemporaryFolder& folder, std::vector<CorpusSpec> corpora) {
  write_file(folder / "vocab.model", testing::test_vocabulary_bytes());
  PrepareOptions options;
  options.vocabulary = folder / "vocab.model";
  options.corpora = std::move(corpora);
  options.out = folder / "data";
  return options;
}

class DatasetTest : public ::testing::Test {
 protected:
  DatasetTest() {
    corpora_ = {write_corpus(folder_, "news", "train", {"de", "en", "fr"}, train_),
                write_corpus(folder_, "news", "valid", {"de", "en", "fr"}, valid_),
                write_corpus(folder_, "talks", "train", {"en", "fr"}, talks_)};
    corpora_.push_back(testing::write_monolingual(
        folder_, "mono", "fr", {testing::invented_sentence("fr", 900), testing::invented_sentence("fr", 901)}));
    path_ = prepare_test_data(folder_, corpora_);
  }

  TemporaryFolder folder_;
  const Rows train_ = invented_rows(300);
  const Rows valid_ = invented_rows(20, 500);
  const Rows talks_ = {{testing::invented_sentence("en", 800), testing::invented_sentence("fr", 800)}};
  std::vector<CorpusSpec> corpora_;
  fs::path path_;
};

TEST_F(DatasetTest, HoldsTheIdsOfEveryLineAlignedOverLanguages) {
  const Dataset data(path_);
  ASSERT_EQ(data.corpora().size(), 3u);
  const Dataset::Split& split = data.corpora()[0].splits.at("train");
  EXPECT_EQ(data.corpora()[0].name, "news");
  EXPECT_EQ(split.lines, 300u);
  const std::vector<std::string> languages = {"de", "en", "fr"};
  for (std::size_t row = 0; row < train_.size(); ++row) {
    for (std::size_t i = 0; i < 3; ++i) {
      std::vector<std::int32_t> ids;
      split.languages.at(languages[i]).read(row, ids);
      EXPECT_EQ(ids, data.vocabulary().encode(train_[row][i])) << row << languages[i];
      EXPECT_EQ(ids.empty(), train_[row][i].empty());
    }
  }
}

TEST_F(DatasetTest, TellsLanguagesSplitsAndDirections) {
  const Dataset data(path_);
  EXPECT_THAT(data.languages(), ElementsAre("de", "en", "fr"));
  EXPECT_THAT(data.splits(), ElementsAre("train", "valid"));
  std::vector<std::string> names;
  for (const Direction& direction : data.directions("valid")) names.push_back(direction.name());
  EXPECT_THAT(names, ElementsAre("de-en", "de-fr", "en-de", "en-fr", "fr-de", "fr-en"));
  EXPECT_TRUE(data.directions("test").empty());
}

TEST_F(DatasetTest, KeepsTheTextOfHeldOutSplits) {
  const Dataset data(path_);
  const std::vector<std::string> french = data.texts("news", "valid", "fr");
  ASSERT_EQ(french.size(), valid_.size());
  for (std::size_t i = 0; i < valid_.size(); ++i) EXPECT_EQ(french[i], valid_[i][2]);
  EXPECT_THAT(error_of([&] { data.texts("news", "train", "fr"); }), HasSubstr("no text of fr is kept"));
  EXPECT_THROW(data.texts("news", "test", "fr"), Error);
  EXPECT_THROW(data.texts("blogs", "valid", "fr"), Error);
  EXPECT_THROW(data.texts("news", "valid", "../../x"), Error);
}

TEST_F(DatasetTest, IsTheSameForAnyNumberOfThreads) {
  PrepareOptions options = options_for(folder_, corpora_);
  options.corpora.push_back(write_corpus(folder_, "large", "train", {"de", "en", "fr"}, invented_rows(8000)));
  options.threads = 1;
  prepare(options);
  const auto with_one = content_of(path_);
  options.threads = 5;
  prepare(options);
  EXPECT_EQ(content_of(path_), with_one);
  EXPECT_EQ(Dataset(path_).corpora()[3].splits.at("train").lines, 8000u);
}

TEST_F(DatasetTest, CountsWhatItWrote) {
  PrepareOptions options = options_for(folder_, {corpora_[0]});
  std::uint64_t done = 0;
  bool finished = false;
  const std::vector<PreparedSplit> splits = prepare(options, [&](const Progress& progress) {
    done = progress.done;
    finished = progress.finished;
  });
  EXPECT_EQ(done, 300u);
  EXPECT_TRUE(finished);
  ASSERT_EQ(splits.size(), 1u);
  EXPECT_EQ(splits[0].languages[0].segments, 300u);
  EXPECT_EQ(splits[0].languages[2].segments, 200u);  // every third line lacks French
  EXPECT_EQ(splits[0].languages[2].tokens, Dataset(path_).corpora()[0].splits.at("train").languages.at("fr").tokens());
}

TEST_F(DatasetTest, LeavesOutSegmentsOverTheLimit) {
  PrepareOptions options = options_for(folder_, {corpora_[0]});
  options.max_length = 6;
  const std::vector<PreparedSplit> splits = prepare(options);
  const Dataset data(path_);
  std::uint64_t expected = 0;
  for (std::size_t row = 0; row < train_.size(); ++row) {
    const std::size_t length = data.vocabulary().encode(train_[row][0]).size();
    EXPECT_EQ(data.corpora()[0].splits.at("train").languages.at("de").length(row), length > 6 ? 0 : length);
    expected += length > 6;
  }
  EXPECT_GT(expected, 0u);
  EXPECT_EQ(splits[0].languages[0].too_long, expected);
  EXPECT_EQ(splits[0].languages[0].segments, 300 - expected);
}

TEST_F(DatasetTest, AFailureLeavesTheOlderDatasetAndNothingElse) {
  const auto before = content_of(path_);
  const std::vector<std::string> entries = entries_of(folder_ / "");
  PrepareOptions options = options_for(folder_, corpora_);
  options.corpora.push_back(testing::write_monolingual(folder_, "bad", "en", {"good", "bad \xff\xfe utf-8"}));
  EXPECT_THAT(error_of([&] { prepare(options); }), HasSubstr("bad.en:2"));
  EXPECT_EQ(content_of(path_), before);
  std::vector<std::string> expected = entries;
  expected.insert(expected.begin(), "bad.en");
  EXPECT_EQ(entries_of(folder_ / ""), expected);

  options.checks.skip_bad = true;
  EXPECT_EQ(prepare(options).back().report.bad_utf8, 1u);
}

TEST_F(DatasetTest, DoesNotReplaceAFolderThatIsNoDataset) {
  fs::create_directories(folder_ / "thesis");
  write_file(folder_ / "thesis" / "chapter1", "text");
  PrepareOptions options = options_for(folder_, corpora_);
  options.out = folder_ / "thesis";
  EXPECT_THAT(error_of([&] { prepare(options); }), HasSubstr("is no dataset"));
  EXPECT_EQ(read_file(folder_ / "thesis" / "chapter1"), "text");
}

TEST_F(DatasetTest, RefusesLanguagesThatTheVocabularyLacks) {
  PrepareOptions options = options_for(folder_, {write_corpus(folder_, "x", "train", {"en", "uk"}, {{"a", "b"}})});
  options.out = folder_ / "new";
  EXPECT_THAT(error_of([&] { prepare(options); }), HasSubstr("no language 'uk'"));
  EXPECT_FALSE(fs::exists(options.out));
}

TEST_F(DatasetTest, RefusesNamesThatLeadOutOfTheFolder) {
  PrepareOptions options = options_for(folder_, corpora_);
  for (const char* name : {"../out", "..", "", "a/b"}) {
    options.corpora[0].name = name;
    EXPECT_THAT(error_of([&] { prepare(options); }), HasSubstr("cannot be a name")) << name;
  }
}

TEST_F(DatasetTest, RefusesAnIncompleteOrMixedFolder) {
  const std::string description = read_file(path_ / "dataset.json");
  const auto with_description = [&](const std::string& text) {
    std::ofstream(path_ / "dataset.json") << text;  // write_file() would wait for the disk
    return error_of([&] { Dataset data(path_); });
  };
  const auto replaced = [&](const std::string& what, const std::string& with) {
    std::string text = description;
    text.replace(text.find(what), what.size(), with);
    return with_description(text);
  };
  EXPECT_THAT(error_of([&] { Dataset data(folder_ / "nowhere"); }), HasSubstr("not a dataset"));
  EXPECT_THAT(with_description(""), HasSubstr("dataset.json"));
  EXPECT_THAT(with_description("[1, 2"), HasSubstr("dataset.json"));
  EXPECT_THAT(with_description("[]"), HasSubstr("dataset.json"));
  EXPECT_THAT(with_description("{\"format\": 1}"), HasSubstr("dataset.json"));
  EXPECT_THAT(replaced("\"format\": 1", "\"format\": 2"), HasSubstr("another version"));
  EXPECT_THAT(replaced("\"lines\": 300", "\"lines\": \"many\""), HasSubstr("damaged"));
  EXPECT_THAT(replaced("\"lines\": 300", "\"lines\": 299"), HasSubstr("not what dataset.json says"));
  EXPECT_THAT(replaced("\"name\": \"news\"", "\"name\": \"../data/news\""), HasSubstr("cannot be a name"));
  EXPECT_THAT(replaced("\"de\":", "\"it\":"), HasSubstr("no language 'it'"));
  EXPECT_THAT(replaced("\"checksum\": ", "\"checksum\": 1"), HasSubstr("vocab.model"));
  for (std::size_t size = 0; size + 2 < description.size(); size += 37) {
    EXPECT_NE(with_description(description.substr(0, size)), "") << size;
  }
  EXPECT_EQ(with_description(description), "");

  fs::rename(path_ / "news" / "train.de.ids", path_ / "news" / "kept");
  EXPECT_THAT(error_of([&] { Dataset data(path_); }), HasSubstr("train.de.ids"));
  fs::copy(path_ / "news" / "train.fr.ids", path_ / "news" / "train.de.ids");
  EXPECT_THAT(error_of([&] { Dataset data(path_); }), HasSubstr("not what dataset.json says"));
}

TEST_F(DatasetTest, VerifyNamesTheDamagedFile) {
  Dataset(path_).verify();
  std::string bytes = read_file(path_ / "talks" / "train.fr.ids");
  bytes[64] = static_cast<char>(bytes[64] ^ 1);
  write_file(path_ / "talks" / "train.fr.ids", bytes);
  EXPECT_THAT(error_of([&] { Dataset(path_).verify(); }), HasSubstr("talks/train.fr.ids"));
}

TEST_F(DatasetTest, FingerprintChangesWithTheText) {
  const std::uint64_t before = Dataset(path_).fingerprint();
  prepare(options_for(folder_, corpora_));
  EXPECT_EQ(Dataset(path_).fingerprint(), before);
  Rows rows = train_;
  rows[17][1] = "ba ko";
  corpora_[0] = write_corpus(folder_, "news", "train", {"de", "en", "fr"}, rows);
  prepare(options_for(folder_, corpora_));
  EXPECT_NE(Dataset(path_).fingerprint(), before);
}

/// What prepare() says of parallel English and German lines.
class PrepareRemarks : public ::testing::Test {
 protected:
  std::vector<PreparedSplit> prepare_lines(const std::vector<std::string>& english,
                                           const std::vector<std::string>& german, bool skip_bad = false,
                                           std::int64_t max_length = 0) {
    testing::write_lines(folder_ / "a.en", english);
    testing::write_lines(folder_ / "a.de", german);
    PrepareOptions options = options_for(folder_, parse_corpora({"train:files:en=" + (folder_ / "a.en").string() +
                                                                 ",de=" + (folder_ / "a.de").string()}));
    options.checks.skip_bad = skip_bad;
    options.max_length = max_length;
    return prepare(options);
  }

  TemporaryFolder folder_;
  testing::LogCapture log_;
};

TEST_F(PrepareRemarks, CallEmptyWhatTheVocabularyMakesNothingOf) {
  const std::vector<std::string> english = {"ba ko", "\u3000", "\u200B", "\u00A0", "\x01"};
  const std::vector<std::string> german(5, "mi ren");
  EXPECT_THAT(error_of([&] { prepare_lines(english, german); }), HasSubstr("a.en:2: no text for 'en'"));
  const std::vector<PreparedSplit> splits = prepare_lines(english, german, true);
  EXPECT_EQ(splits.at(0).report.empty, 4u);
  EXPECT_THAT(log_.warnings(), ElementsAre("a train: 5 lines, 1 kept; skipped: 4 empty"));
}

TEST_F(PrepareRemarks, TellTheShareOfUnknownTokens) {
  const std::vector<PreparedSplit> splits = prepare_lines({"ba ko", "mi \u4E00"}, {"ba", "ko"});
  EXPECT_EQ(splits.at(0).languages.at(0).unknown, 1u);
  EXPECT_EQ(splits.at(0).languages.at(1).unknown, 0u);
  ASSERT_EQ(log_.warnings().size(), 1u);
  EXPECT_THAT(log_.warnings()[0], HasSubstr("<unk>, text that the vocabulary does not know: 1 of the "));
  EXPECT_THAT(log_.warnings()[0], HasSubstr(" %); learn a vocabulary from text of this kind"));
}

TEST_F(PrepareRemarks, TellAnyUnknownTokenOnceForEachLanguage) {
  std::vector<std::string> english(200, "ba ko mi ren tu sa lo fe"), german(200, "ko");
  english[7] += " \u4E00";
  english[9] += " \u4E00";
  const std::uint64_t tokens = prepare_lines(english, german).at(0).languages.at(0).tokens;
  ASSERT_LT(2.0 / static_cast<double>(tokens), kMostUnknown);
  EXPECT_THAT(
      log_.warnings(),
      ElementsAre(fmt::format("<unk>, text that the vocabulary does not know: 2 of the {} tokens of en ({:.3g} %); "
                              "where it matters, learn the vocabulary with --byte-fallback",
                              tokens, 200.0 / static_cast<double>(tokens))));
  set_strict(true);
  fs::remove_all(folder_ / "data");
  EXPECT_THAT(error_of([&] { prepare_lines(english, german); }), HasSubstr("does not know: 2 of the"));
  EXPECT_FALSE(fs::exists(folder_ / "data"));
}

TEST_F(PrepareRemarks, TellCorporaThatGiveNothing) {
  const auto prepare_corpora = [&](const std::vector<std::string>& notations) {
    PrepareOptions options = options_for(folder_, parse_corpora(notations));
    options.checks.skip_bad = true;
    return prepare(options);
  };
  const std::string good = "train:mono:en=" + folder_.write("good", "ba ko\n");
  const std::string empty = ":mono:en=" + folder_.write("empty", "");
  const std::string bad = ":mono:de=" + folder_.write("bad", "\xFF\n\xFF\n");
  prepare_corpora({good, "train" + bad, "valid" + empty});
  EXPECT_THAT(log_.warnings(),
              ElementsAre(HasSubstr("bad: bad train gives no segment (2 lines, 0 kept; skipped: 2 not UTF-8); is it"),
                          HasSubstr("empty: empty valid gives no segment (0 lines, 0 kept); is it the right file?")));
  fs::remove_all(folder_ / "data");
  EXPECT_THAT(error_of([&] {
                prepare_corpora({"train" + bad, "train" + empty, "valid" + empty});
              }),
              HasSubstr("bad: the train split holds no segment: bad (2 lines, 0 kept; skipped: 2 not UTF-8), empty"));
  set_strict(true);
  EXPECT_THAT(error_of([&] { prepare_corpora({good, "valid" + empty}); }), HasSubstr("empty valid gives no segment"));
  EXPECT_FALSE(fs::exists(folder_ / "data"));
}

TEST_F(PrepareRemarks, TellLanguagesOfWhichACorpusGivesNothing) {
  const std::string file = folder_.write("a.jsonl", "{\"en\": \"ba ko\", \"german\": \"mi\"}\n");
  prepare(options_for(folder_, parse_corpora({"train:jsonl:" + file + ":en,de"})));
  EXPECT_THAT(log_.warnings(), ElementsAre(HasSubstr("a.jsonl: a train gives no segment of de; are its keys")));
}

TEST_F(PrepareRemarks, TellCharactersThatCanNeverBeWritten) {
  const std::vector<PreparedSplit> splits = prepare_lines({"ba\u200Cko ba\u200Cko", "mi\u2026"}, {"ba", "ko"});
  EXPECT_EQ(splits.at(0).languages.at(0).unwritable, 3u);
  EXPECT_EQ(splits.at(0).languages.at(1).unwritable, 0u);
  ASSERT_FALSE(log_.warnings().empty());
  EXPECT_THAT(log_.warnings()[0], HasSubstr("U+200C (2 times in en), U+2026 (1 times in en)"));
}

TEST_F(PrepareRemarks, TellSegmentsThatAreTooLong) {
  prepare_lines({"ba ko mi ren tu sa lo fe ba ko mi ren", "ba"}, {"ko", "mi"}, false, 4);
  EXPECT_THAT(log_.warnings(), ElementsAre("a train: segments over 4 tokens are left out: 1 of en"));
}

TEST_F(PrepareRemarks, AreErrorsWhereStrictAndNothingIsWritten) {
  set_strict(true);
  EXPECT_THAT(error_of([&] { prepare_lines({"ba ko", ""}, {"ko", "mi"}, true); }), HasSubstr("1 empty"));
  set_strict(false);
  EXPECT_FALSE(fs::exists(folder_ / "data"));
}

TEST_F(PrepareRemarks, TellThatAnOlderDatasetIsReplaced) {
  prepare_lines({"ba"}, {"ko"});
  EXPECT_THAT(log_.warnings(), ElementsAre());
  prepare_lines({"ba"}, {"ko"});
  ASSERT_EQ(log_.warnings().size(), 1u);
  EXPECT_THAT(log_.warnings()[0], HasSubstr("an older dataset, which is replaced"));
}

TEST_F(PrepareRemarks, FollowLanguagesUnderOtherNames) {
  testing::write_lines(folder_ / "a.en", {"ba"});
  testing::write_lines(folder_ / "a.de", {"ko"});
  const std::string files = "en=" + (folder_ / "a.en").string() + ",de_DE=" + (folder_ / "a.de").string();
  prepare(options_for(folder_, parse_corpora({"train:files:" + files})));
  EXPECT_THAT(Dataset(folder_ / "data").languages(), ElementsAre("de", "en"));
  EXPECT_THAT(log_.warnings(), ElementsAre("the language 'de_DE' is named 'de' here"));
  const std::string twice = files + ",de=" + (folder_ / "a.de").string();
  EXPECT_THAT(error_of([&] { prepare(options_for(folder_, parse_corpora({"train:files:" + twice}))); }),
              HasSubstr("the language 'de' is there twice"));
}

}  // namespace
}  // namespace polymoe
