#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "polymoe/text/corpus.h"
#include "support/temporary_folder.h"

namespace polymoe {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::string notation_error(const std::string& notation) {
  try {
    parse_corpora({notation});
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

TEST(CorpusNotation, NamesParallelFiles) {
  const std::vector<CorpusSpec> specs = parse_corpora({"train:files:en=data/news.en.gz,pt-BR=data/news.pt.gz"});
  ASSERT_EQ(specs.size(), 1u);
  EXPECT_EQ(specs[0].kind, CorpusKind::kFiles);
  EXPECT_EQ(specs[0].split, "train");
  EXPECT_EQ(specs[0].name, "news");
  EXPECT_THAT(specs[0].languages, ElementsAre("en", "pt_BR"));
  EXPECT_THAT(specs[0].files, ElementsAre("data/news.en.gz", "data/news.pt.gz"));
}

TEST(CorpusNotation, NamesMonolingualFilesOneByOne) {
  const std::vector<CorpusSpec> specs = parse_corpora({"train:mono:sw=web.sw.txt,ha=web.ha.txt"});
  ASSERT_EQ(specs.size(), 2u);
  EXPECT_EQ(specs[1].kind, CorpusKind::kMonolingual);
  EXPECT_THAT(specs[1].languages, ElementsAre("ha"));
  EXPECT_THAT(specs[1].files, ElementsAre("web.ha.txt"));
  EXPECT_EQ(specs[0].name, "web");
  EXPECT_EQ(specs[1].name, "web-2");
}

TEST(CorpusNotation, TakesTheFoldersNameWhereTheFilesNameIsTheSplit) {
  EXPECT_EQ(parse_corpora({"train:files:en=multi30k/train.en.gz,de=multi30k/train.de.gz"})[0].name, "multi30k");
}

TEST(CorpusNotation, GivesEachCorpusOfASplitItsOwnName) {
  const std::vector<CorpusSpec> specs =
      parse_corpora({"train:tsv:a/x.tsv:en,de", "train:tsv:b/x.tsv:en,de", "valid:tsv:c/x.tsv:en,de"});
  EXPECT_EQ(specs[0].name, "x");
  EXPECT_EQ(specs[1].name, "x-2");
  EXPECT_EQ(specs[2].name, "x");
}

TEST(CorpusNotation, OpensCorpusFolders) {
  const testing::TemporaryFolder folder;
  folder.write("corpus.json", R"({"name": "news", "languages": ["en", "zh_CN"], "splits": {"train": 5, "test": 2}})");
  const std::vector<CorpusSpec> specs = parse_corpora({folder.path()});
  ASSERT_EQ(specs.size(), 2u);
  const CorpusSpec& train = specs[0].split == "train" ? specs[0] : specs[1];
  EXPECT_EQ(train.kind, CorpusKind::kFolder);
  EXPECT_EQ(train.name, "news");
  EXPECT_EQ(train.lines, 5u);
  EXPECT_THAT(train.files, ElementsAre(folder / "train.en.gz", folder / "train.zh_CN.gz"));
}

TEST(CorpusNotation, SaysWhatIsWrongWithACorpusFolder) {
  const testing::TemporaryFolder folder;
  EXPECT_THAT(notation_error(folder.path()), HasSubstr("holds no corpus.json"));
  const auto error_with = [&](const std::string& json) {
    folder.write("corpus.json", json);
    return notation_error(folder.path());
  };
  EXPECT_THAT(error_with("{"), HasSubstr("corpus.json: not the description of a corpus"));
  EXPECT_THAT(error_with(R"({"name": "a", "splits": {"train": 1}})"), HasSubstr("languages"));
  EXPECT_THAT(error_with(R"({"name": "a", "languages": ["en"], "splits": {"../x": 1}})"),
              HasSubstr("corpus.json: '../x' is not the name of a split"));
  EXPECT_THAT(error_with(R"({"name": "a", "languages": ["en"], "splits": {"vaild": 1}})"),
              HasSubstr("corpus.json: 'vaild' is not the name of a split; did you mean 'valid'?"));
  EXPECT_THAT(error_with(R"({"name": "a", "languages": ["../en"], "splits": {"train": 1}})"),
              HasSubstr("is not a language code"));
  EXPECT_THAT(error_with(R"({"name": "a", "languages": ["en"], "splits": {"train": "many"}})"),
              HasSubstr("not the description of a corpus"));
  EXPECT_THAT(error_with(R"({"name": "a", "languages": ["en"], "splits": {}})"), HasSubstr("lists no splits"));
}

TEST(CorpusNotation, SaysWhatIsWrongWithANotation) {
  EXPECT_THAT(notation_error("nowhere"), HasSubstr("'nowhere' is neither a folder nor SPLIT:KIND:FILES"));
  EXPECT_THAT(notation_error("train:files:"), HasSubstr("neither a folder"));
  EXPECT_THAT(notation_error("train:csv:a.csv"), HasSubstr("unknown kind of corpus 'csv'"));
  EXPECT_THAT(notation_error("tr/ain:files:en=a,de=b"), HasSubstr("'tr/ain' is not the name of a split"));
  EXPECT_THAT(notation_error("trian:mono:en=a"),
              HasSubstr("'trian' is not the name of a split; did you mean 'train'? known: train, valid, test"));
  EXPECT_THAT(notation_error("dev:mono:en=a"),
              HasSubstr("'dev' is not the name of a split; known: train, valid, test"));
  EXPECT_THAT(notation_error("train:files:en=a,b"), HasSubstr("'b' is not LANGUAGE=FILE"));
  EXPECT_THAT(notation_error("train:files:en=a,de="), HasSubstr("'de=' is not LANGUAGE=FILE"));
  EXPECT_THAT(notation_error("train:jsonl::de,en"), HasSubstr("'train:jsonl::de,en' names no file"));
  EXPECT_THAT(notation_error("train:files:en=a,en=b"), HasSubstr("'en' is named twice"));
  EXPECT_THAT(notation_error("train:files:en=a"), HasSubstr("fewer than two languages"));
  EXPECT_THAT(notation_error("train:files:e=a,de=b"), HasSubstr("'e' is not a language code"));
  EXPECT_THAT(notation_error("train:tsv:none.tsv"), HasSubstr("none.tsv: cannot open"));
}

TEST(CorpusNotation, SaysWhenAFirstLineNamesNoLanguages) {
  const testing::TemporaryFolder folder;
  EXPECT_THAT(notation_error("train:tsv:" + folder.write("a.tsv", "Hello world\tHallo Welt\n")),
              HasSubstr("a.tsv:1: 'Hello world' is not a language code; the first line must name"));
  EXPECT_THAT(notation_error("train:jsonl:" + folder.write("a.jsonl", R"({"en": "a", "de": "b", "source url": 1})")),
              HasSubstr("a.jsonl:1: "));
  EXPECT_THAT(notation_error("train:jsonl:" + folder.write("b.jsonl", "")), HasSubstr("b.jsonl: is empty"));
}

TEST(CorpusNotation, NarrowsToLanguages) {
  CorpusSpec files = parse_corpora({"train:files:en=a,de=b,fr=c"})[0];
  EXPECT_TRUE(keep_languages(files, {"fr", "en"}));
  EXPECT_THAT(files.languages, ElementsAre("en", "fr"));
  EXPECT_THAT(files.files, ElementsAre("a", "c"));

  CorpusSpec tsv = parse_corpora({"train:tsv:x.tsv:en,-,de"})[0];
  EXPECT_TRUE(keep_languages(tsv, {"de"}));
  EXPECT_THAT(tsv.languages, ElementsAre("de"));
  EXPECT_THAT(tsv.columns, ElementsAre("", "", "de"));

  CorpusSpec json = parse_corpora({"train:jsonl:x.jsonl:en,pt-BR"})[0];
  EXPECT_TRUE(keep_languages(json, {"pt_BR"}));
  EXPECT_THAT(json.columns, ElementsAre("pt-BR"));
  EXPECT_FALSE(keep_languages(json, {"de"}));
}

TEST(CorpusNotation, NormalizesLanguageCodes) {
  EXPECT_EQ(normalize_language("en"), "en");
  EXPECT_EQ(normalize_language("pt-BR"), "pt_BR");
  EXPECT_EQ(normalize_language("sr@latin"), "sr@latin");
  EXPECT_EQ(normalize_language("eng-Latn"), "eng_Latn");
  for (const char* bad : {"", "e", "e1", "en_", "en__US", "en/US", "../x", "en US", "deutschland", "1en", "en_@x"}) {
    EXPECT_THROW(normalize_language(bad), Error) << bad;
  }
}

TEST(CorpusNotation, NamesThePairsOfATask) {
  std::vector<CorpusSpec> specs = parse_corpora({"train:task:summary:files:en=a.txt,en=b.txt"});
  ASSERT_EQ(specs.size(), 1u);
  EXPECT_EQ(specs[0].task, "summary");
  EXPECT_EQ(specs[0].name, "summary.en-en");
  EXPECT_THAT(specs[0].languages, ElementsAre("en", "en"));
  EXPECT_THAT(specs[0].files, ElementsAre("a.txt", "b.txt"));
  specs = parse_corpora({"train:task:command:tsv:a.tsv:pt-BR,-,cmd"});
  EXPECT_THAT(specs[0].columns, ElementsAre("pt_BR", "", "cmd"));
  EXPECT_EQ(specs[0].name, "command.pt_BR-cmd");
  specs = parse_corpora({"valid:task:summary:jsonl:a.jsonl:text=en,the=summary=de"});
  EXPECT_EQ(specs[0].split, "valid");
  EXPECT_THAT(specs[0].columns, ElementsAre("text", "the=summary"));
  EXPECT_THAT(specs[0].languages, ElementsAre("en", "de"));
}

TEST(CorpusNotation, SaysWhatIsWrongWithATask) {
  EXPECT_THAT(notation_error("train:task:denoise:files:en=a,en=b"),
              HasSubstr("'denoise' cannot be the name of a task"));
  EXPECT_THAT(notation_error("train:task:2en:files:en=a,en=b"), HasSubstr("'2en' cannot be the name of a task"));
  EXPECT_THAT(notation_error("train:task:to sum:files:en=a,en=b"), HasSubstr("use letters, digits"));
  EXPECT_THAT(notation_error("train:task:summary:mono:en=a"), HasSubstr("pairs of a task are files, tsv or jsonl"));
  EXPECT_THAT(notation_error("train:task:summary:files:en=a,en=b,de=c"),
              HasSubstr("3 columns, but pairs of a task have two"));
  EXPECT_THAT(notation_error("train:task:summary:jsonl:a:text,summary"), HasSubstr("'text' is not KEY=LANGUAGE"));
  EXPECT_THAT(notation_error("train:task:summary"), HasSubstr("neither a folder nor SPLIT:KIND:FILES"));
}

}  // namespace
}  // namespace polymoe
