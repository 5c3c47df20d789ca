#include "formats/fill.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/log_capture.h"
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

TEST(Fill, LeavesWhatTheModelBreaks) {
  LogCapture log;
  const auto breaks = [](const std::vector<std::string>& lines) {
    std::vector<LineTranslation> translations;
    for (const std::string& line : lines) {
      translations.push_back({line == "none" ? "" : line == "lost %s" ? "weg" : "gut", line != "long"});
    }
    return translations;
  };
  FillReport report;
  const std::string text = translate_text(DocumentFormat::kTsv, "en\nnone\nlost %s\nlong\nfine\n", breaks, &report);
  EXPECT_EQ(text, "en\tde\nnone\t\nlost %s\t\nlong\t\nfine\tgut\n");
  EXPECT_EQ(report.summary(),
            "4 segments, 1 filled; left: 1 with lost directives, 1 too long for the model, 1 without an answer");
  ASSERT_EQ(log.warnings().size(), 4u);  // and how many in all
  EXPECT_THAT(log.warnings()[1], HasSubstr("file:3: 'lost %s' is left untranslated"));
}

}  // namespace
}  // namespace polymoe
