#include "polymoe/text/corpus.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/temporary_folder.h"

namespace polymoe {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

using Rows = std::vector<std::vector<std::string>>;

Rows read_all(CorpusReader& reader) {
  Rows rows;
  std::vector<std::string> segments;
  while (reader.next(segments)) rows.push_back(segments);
  return rows;
}

Rows read_all(const std::string& notation) {
  CorpusReader reader(parse_corpora({notation}).at(0));
  return read_all(reader);
}

std::string reading_error(const std::string& notation, const CorpusChecks& checks = {}) {
  try {
    CorpusReader reader(parse_corpora({notation}).at(0), checks);
    read_all(reader);
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

CorpusReport report_of(const std::string& notation, const CorpusChecks& checks) {
  CorpusReader reader(parse_corpora({notation}).at(0), checks);
  read_all(reader);
  return reader.report();
}

const CorpusChecks kSkipBad{.skip_bad = true};

class CorpusReaderTest : public ::testing::Test {
 protected:
  /// A notation of parallel files with these contents.
  std::string files(const std::string& english, const std::string& german) {
    return "train:files:en=" + folder_.write("a.en", english) + ",de=" + folder_.write("a.de.gz", german);
  }
  std::string tsv(const std::string& content, const std::string& columns = "") {
    return "train:tsv:" + folder_.write("a.tsv", content) + (columns.empty() ? "" : ":" + columns);
  }
  std::string jsonl(const std::string& content, const std::string& keys = ":en,de") {
    return "train:jsonl:" + folder_.write("a.jsonl", content) + keys;
  }
  std::string corpus_folder(const std::string& german, const std::string& french, int lines) {
    folder_.write("c/corpus.json",
                  R"({"name": "news", "languages": ["de", "fr"], "splits": {"valid": )" + std::to_string(lines) + "}}");
    folder_.write("c/valid.de.gz", german);
    folder_.write("c/valid.fr.gz", french);
    return folder_ / "c";
  }

  testing::TemporaryFolder folder_;
};

TEST_F(CorpusReaderTest, AlignsParallelFilesPlainOrCompressed) {
  EXPECT_THAT(read_all(files("One\nTwo\n", "Eins\r\n  Zwei \n")),
              ElementsAre(ElementsAre("One", "Eins"), ElementsAre("Two", "Zwei")));
}

TEST_F(CorpusReaderTest, ReadsTsvByHeaderOrList) {
  EXPECT_THAT(read_all(tsv("en\tpt-BR\nOne\tUm\n")), ElementsAre(ElementsAre("One", "Um")));
  EXPECT_THAT(read_all(tsv("7\tOne\tEins\n", "-,en,de")), ElementsAre(ElementsAre("One", "Eins")));
}

TEST_F(CorpusReaderTest, ReadsJsonLines) {
  EXPECT_THAT(read_all(jsonl(R"({"en": "One \"x\"", "de": "Eins\nzwei", "id": 3})"
                             "\n"
                             R"({"de": "Nur"})"
                             "\n")),
              ElementsAre(ElementsAre("One \"x\"", "Eins zwei"), ElementsAre("", "Nur")));
  EXPECT_THAT(read_all(jsonl(R"({"en": "One", "pt-BR": "Um"})", "")), ElementsAre(ElementsAre("One", "Um")));
}

TEST_F(CorpusReaderTest, ReadsMonolingualText) {
  EXPECT_THAT(read_all("train:mono:sw=" + folder_.write("sw.txt", "Habari\nDunia")),
              ElementsAre(ElementsAre("Habari"), ElementsAre("Dunia")));
}

TEST_F(CorpusReaderTest, ReadsFoldersWithGaps) {
  const std::string notation = corpus_folder("Eins\n\n\n", "\nDeux\n\n", 3);
  CorpusReader reader(parse_corpora({notation}).at(0));
  EXPECT_THAT(reader.languages(), ElementsAre("de", "fr"));
  EXPECT_THAT(read_all(reader), ElementsAre(ElementsAre("Eins", ""), ElementsAre("", "Deux")));
  EXPECT_EQ(reader.report().absent, 1u);
  EXPECT_EQ(reader.report().skipped(), 0u);
}

TEST_F(CorpusReaderTest, DropsAByteOrderMark) {
  EXPECT_THAT(read_all(files("\xEF\xBB\xBFOne\n",
                             "\xEF\xBB\xBF"
                             "Eins\n")),
              ElementsAre(ElementsAre("One", "Eins")));
  EXPECT_THAT(read_all(tsv("\xEF\xBB\xBF"
                           "en\tde\nOne\tEins\n")),
              ElementsAre(ElementsAre("One", "Eins")));
}

TEST_F(CorpusReaderTest, TellsThePlaceOfEachRow) {
  CorpusReader reader(parse_corpora({files("One\nTwo\n", "Eins\nZwei\n")}).at(0));
  std::vector<std::string> segments;
  reader.next(segments);
  reader.next(segments);
  EXPECT_THAT(reader.where().path, HasSubstr("a.en"));
  EXPECT_EQ(reader.where().line, 2u);
}

TEST_F(CorpusReaderTest, ReportsUnequalNumbersOfLines) {
  const std::string notation = files("One\nTwo\nThree\n", "Eins\n");
  const std::string error = reading_error(notation);
  EXPECT_THAT(error, HasSubstr("a.en:2: "));
  EXPECT_THAT(error, HasSubstr("a.de.gz' ends after line 1"));
  const CorpusReport report = report_of(notation, kSkipBad);
  EXPECT_EQ(report.kept, 1u);
  EXPECT_EQ(report.unpaired, 2u);
}

TEST_F(CorpusReaderTest, ReportsBadUtf8) {
  const std::string notation = files("One\nTwo\nThree\n", "Eins\nZw\xFC\nDrei\n");
  EXPECT_THAT(reading_error(notation),
              HasSubstr("a.de.gz:2: not UTF-8 text: byte 0xFC at column 3; find out the encoding"));
}

TEST_F(CorpusReaderTest, CountsBadUtf8AndNulBytesWhereSkippingIsAskedFor) {
  const CorpusReport report =
      report_of(files("One\nTwo\nThree\n", std::string("Eins\nZw\xFC\nDr\0ei\n", 15)), kSkipBad);
  EXPECT_EQ(report.lines, 3u);
  EXPECT_EQ(report.kept, 1u);
  EXPECT_EQ(report.bad_utf8, 1u);
  EXPECT_EQ(report.nul_bytes, 1u);
  EXPECT_EQ(report.summary(), "3 lines, 1 kept; skipped: 1 not UTF-8, 1 with NUL bytes");
}

TEST_F(CorpusReaderTest, ReportsLongSegments) {
  const std::string notation = files("One\nTwo\n", "Eins\n" + std::string(50, 'x') + "\n");
  EXPECT_THAT(reading_error(notation, {.max_line_bytes = 49}), HasSubstr("a.de.gz:2: segment of 50 bytes; at most 49"));
  EXPECT_EQ(reading_error(notation, {.max_line_bytes = 50}), "no error");
  EXPECT_EQ(report_of(notation, {.skip_bad = true, .max_line_bytes = 49}).too_long, 1u);
}

TEST_F(CorpusReaderTest, ReportsEmptySides) {
  const std::string notation = files("One\n \nThree\n", "Eins\nZwei\nDrei\n");
  EXPECT_THAT(reading_error(notation), HasSubstr("a.en:2: no text for 'en'"));
  EXPECT_EQ(report_of(notation, kSkipBad).empty, 1u);
  EXPECT_THAT(reading_error(jsonl(R"({"english": "One"})")), HasSubstr("a.jsonl:1: no text in any of the languages"));
}

TEST_F(CorpusReaderTest, TakesTextThatShowsNothingForEmpty) {
  const std::string notation = files("One\n\u3000\n\u200B\u00A0\nFour\n", "Eins\nZwei\nDrei\n\uFEFF\n");
  EXPECT_THAT(reading_error(notation), HasSubstr("a.en:2: no text for 'en'"));
  EXPECT_EQ(report_of(notation, kSkipBad).empty, 3u);
  EXPECT_THAT(read_all(jsonl("{\"en\": \"One\", \"de\": \"\u00AD\"}")), ElementsAre(ElementsAre("One", "")));
}

TEST_F(CorpusReaderTest, AsksWhetherTextIsEmpty) {
  CorpusChecks checks = kSkipBad;
  checks.is_empty = [](std::string_view text) { return text == "-"; };
  EXPECT_EQ(report_of(files("One\n-\n", "-\nZwei\n"), checks).empty, 2u);
}

TEST_F(CorpusReaderTest, RefusesFilesThatAreNoTextEvenWhenSkipping) {
  EXPECT_THAT(reading_error(files(std::string("\xFF\xFEO\0n\0e\0\n\0", 10), "Eins\n"), kSkipBad),
              HasSubstr("a.en: UTF-16 text"));
  EXPECT_THAT(reading_error(tsv("BZh91AY")), HasSubstr("a.tsv: a bzip2 file"));
}

TEST_F(CorpusReaderTest, TellsWhatIsWrongWithJson) {
  EXPECT_THAT(reading_error(jsonl(R"({"en":"cut \ud83d","de":"b"})")),
              HasSubstr("a.jsonl:1: not JSON: a lone surrogate at column 13"));
  EXPECT_THAT(reading_error(jsonl(R"({"en":"\udc00","de":"b"})")), HasSubstr("a lone surrogate at column 9"));
  EXPECT_THAT(reading_error(jsonl(R"({"en":"A\u0000B","de":"b"})")),
              HasSubstr("a.jsonl:1: the escape \\u0000, a NUL byte, in the value of \"en\"; repair the line"));
  EXPECT_THAT(reading_error(jsonl(std::string("{\"en\":\"A\0\"}", 11))),
              HasSubstr("a.jsonl:1: a NUL byte at column 9"));
  EXPECT_THAT(reading_error(jsonl("{\"en\":\"\xCF\xF4\",\"de\":\"b\"}")),
              HasSubstr("a.jsonl:1: not UTF-8 text: byte 0xCF"));
  EXPECT_THAT(reading_error(jsonl(R"({"en" "One"})")), HasSubstr("broken at column 11"));
}

TEST_F(CorpusReaderTest, RefusesJsonKeysThatStandTwice) {
  EXPECT_THAT(reading_error(jsonl(R"({"en":"One","de":"Eins","en":"Two"})")),
              HasSubstr("a.jsonl:1: the key 'en' stands twice; repair the line"));
  EXPECT_EQ(reading_error(jsonl(R"({"en":"One","de":"Eins","id":1,"id":2,"more":{"en":1,"de":2}})")), "no error");
  const std::string notation = jsonl("{\"en\":\"One\",\"en\":\"One\"}\n{\"en\":\"Two\"}\n");
  EXPECT_EQ(report_of(notation, kSkipBad).malformed, 1u);
  EXPECT_EQ(report_of(notation, kSkipBad).kept, 1u);
}

TEST_F(CorpusReaderTest, ReportsMalformedRows) {
  EXPECT_THAT(reading_error(tsv("en\tde\nOne\n")), HasSubstr("a.tsv:2: 1 tab-separated columns where 2 are expected"));
  EXPECT_THAT(reading_error(jsonl("{\"en\": \"One\", \"de\"\n")), HasSubstr("a.jsonl:1: not a JSON object"));
  EXPECT_THAT(reading_error(jsonl("[1]\n")), HasSubstr("a.jsonl:1: not a JSON object"));
  EXPECT_THAT(reading_error(jsonl("{\"en\": 1}\n")), HasSubstr("a.jsonl:1: the value of \"en\" is not a string"));
  const CorpusReport report = report_of(jsonl("oops\n{\"en\": \"One\", \"de\": \"Eins\"}\n"), kSkipBad);
  EXPECT_EQ(report.malformed, 1u);
  EXPECT_EQ(report.kept, 1u);
}

TEST_F(CorpusReaderTest, TreatsDamagedFoldersAsErrorsEvenWhenSkipping) {
  EXPECT_THAT(reading_error(corpus_folder("a\nb\n", "c\n", 2), kSkipBad), HasSubstr("valid.de.gz:2: "));
  EXPECT_THAT(reading_error(corpus_folder("a\nb\n", "c\nd\n", 3), kSkipBad),
              HasSubstr("has 2 lines where corpus.json says 3"));
}

TEST_F(CorpusReaderTest, FailsOnAFileThatIsNotThere) {
  EXPECT_THAT(reading_error("train:mono:sw=" + (folder_ / "none.txt").string(), kSkipBad),
              HasSubstr("none.txt: cannot open"));
}

TEST_F(CorpusReaderTest, FailsOnADamagedGzipFile) {
  const std::string path = folder_.write("a.gz", std::string(10000, 'a') + "\n");
  std::filesystem::resize_file(path, std::filesystem::file_size(path) - 9);
  EXPECT_THAT(reading_error("train:mono:sw=" + path, kSkipBad), HasSubstr("a.gz:1: cannot read"));
}

TEST(CorpusReport, SumsUp) {
  CorpusReport report{.lines = 10, .kept = 10};
  EXPECT_EQ(report.summary(), "10 lines, 10 kept");
  report.kept = 7;
  report.empty = 2;
  report.too_long = 1;
  EXPECT_EQ(report.summary(), "10 lines, 7 kept; skipped: 1 too long, 2 empty");
}

}  // namespace
}  // namespace polymoe
