#include "polymoe/formats/fill.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "unit/formats/fake_model.h"

namespace polymoe {
namespace {

using namespace testing;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(Fill, TranslatesEachLineOnce) {
  std::vector<std::string> seen;
  const auto translate = each_line([&](const std::string& line) {
    seen.push_back(line);
    return "x";
  });
  EXPECT_EQ(translate_text(DocumentFormat::kText, "a\nb\n\na\n", translate), "x\nx\n\nx\n");
  EXPECT_THAT(seen, ElementsAre("a", "b"));
}

TEST(Fill, CopiesWhatHasNoLetters) {
  FillReport report;
  EXPECT_EQ(translate_text(DocumentFormat::kText, "1 + 2\na\n", marks_lines(), &report), "1 + 2\nde:a\n");
  EXPECT_EQ(report.summary(), "2 segments, 2 filled (of them 1 without letters, copied)");
}

TEST(Fill, TranslatesPieceByPieceWhereTagsAreLost) {
  FillReport report;
  const auto loses_tags = each_line(
      [](const std::string& line) { return line.find('<') == std::string::npos ? "de:" + line : "alles weg"; });
  EXPECT_EQ(translate_text(DocumentFormat::kHtml, "<p>Press <b>OK</b> now</p>", loses_tags, &report),
            "<p>de:Press <b>de:OK</b> de:now</p>");
  EXPECT_EQ(report.piecewise, 1u);
}

TEST(Fill, KeepsTheModelsPlaceOfTags) {
  const auto moves = each_line([](const std::string&) { return "<b>OK</b> jetzt drücken"; });
  FillReport report;
  EXPECT_EQ(translate_text(DocumentFormat::kHtml, "<p>Press <b class='x'>OK</b> now</p>", moves, &report),
            "<p><b class='x'>OK</b> jetzt drücken</p>");
  EXPECT_EQ(report.piecewise, 0u);
}

TEST(Fill, CountsTextsThatTheModelDoesNotKnow) {
  // It does not know "<": that matters for no piece between the tags.
  const auto translate = [](const std::vector<std::string>& lines) {
    std::vector<LineTranslation> translations;
    for (const std::string& line : lines) {
      const bool unknown = line.find_first_of("<?") != std::string::npos;
      translations.push_back({"x", true, unknown ? std::size_t{1} : 0});
    }
    return translations;
  };
  FillReport report;
  translate_text(DocumentFormat::kHtml, "<p>a <b>b</b></p><p>c?</p>", translate, &report);
  EXPECT_EQ(report.piecewise, 1u);
  EXPECT_EQ(report.unknown, 1u);
}

TEST(Fill, LeavesWhatTheModelBreaks) {
  const auto breaks = [](const std::vector<std::string>& lines) {
    std::vector<LineTranslation> translations;
    for (const std::string& line : lines) {
      translations.push_back({line == "none" ? "" : line == "lost %s" ? "weg" : "gut", line != "long"});
    }
    return translations;
  };
  const auto document = read_document(DocumentFormat::kTsv, "en\nnone\nlost %s\nlong\nfine\n", {"file", "en", "de"});
  std::vector<std::string> told;
  const FillReport report = fill_document(*document, breaks, [&](const std::string& message, std::uint64_t line) {
    told.push_back(std::to_string(line) + ": " + message);
  });
  EXPECT_EQ(document->text(), "en\tde\nnone\t\nlost %s\t\nlong\t\nfine\tgut\n");
  EXPECT_EQ(report.summary(),
            "4 segments, 1 filled; left: 1 with lost directives, 1 too long for the model, 1 without an answer");
  ASSERT_EQ(told.size(), 3u);
  EXPECT_THAT(told[1], HasSubstr("3: 'lost %s' is left untranslated"));
}

}  // namespace
}  // namespace polymoe
