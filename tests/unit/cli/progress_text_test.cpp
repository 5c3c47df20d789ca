#include "polymoe/cli/progress_text.h"

#include <gtest/gtest.h>

#include "polymoe/base/utf8.h"

namespace polymoe::cli {
namespace {

TEST(HumanNumber, KeepsThreeDigits) {
  const std::pair<double, const char*> cases[] = {
      {0, "0"},         {7, "7"},        {999, "999"},      {1000, "1.00k"},     {1234, "1.23k"},  {9996, "10.0k"},
      {45600, "45.6k"}, {99960, "100k"}, {999600, "1.00M"}, {123456789, "123M"}, {2.5e9, "2.50G"}, {7e12, "7.00T"},
      {1e16, "10000T"}, {0.25, "0.25"},  {12.34, "12.3"},   {999.4, "999"},      {9.996, "10.0"},
  };
  for (const auto& [number, text] : cases) EXPECT_EQ(human_number(number), text) << number;
}

TEST(HumanTime, ShowsHoursOnlyWhereThereAreAny) {
  EXPECT_EQ(human_time(0), "0:00");
  EXPECT_EQ(human_time(6.6), "0:07");
  EXPECT_EQ(human_time(59.6), "1:00");
  EXPECT_EQ(human_time(754), "12:34");
  EXPECT_EQ(human_time(3723), "1:02:03");
  EXPECT_EQ(human_time(-5), "0:00");
  EXPECT_EQ(human_time(1e300), "999:00:00");
}

TEST(ProgressText, ShowsShareAmountRateAndTimeLeft) {
  const Progress progress{"prepare train", 450'000, 1'000'000, "lines", "loss 3.21", false};
  // 50,000 lines in 10 s, 550,000 to go: 110 s.
  EXPECT_EQ(progress_text(progress, 400'000, 10),
            "prepare train: 45%, 450k of 1.00M lines, 5.00k lines/s, 1:50 left, loss 3.21");
}

TEST(ProgressText, LeavesOutWhatIsNotKnown) {
  EXPECT_EQ(progress_text({"read", 12, 0, "files", "", false}, 0, 4), "read: 12 files, 3 files/s");
  EXPECT_EQ(progress_text({"read", 0, 50, "files", "", false}, 0, 0), "read: 0%, 0 of 50 files");
  EXPECT_EQ(progress_text({"read", 5, 50, "files", "", false}, 9, 2), "read: 10%, 5 of 50 files");  // went back
}

TEST(ProgressText, AFinishedStageTellsItsTime) {
  EXPECT_EQ(progress_text({"read", 50, 50, "files", "", true}, 0, 100),
            "read: 100%, 50 files, 0.50 files/s, took 1:40");
}

TEST(ProgressText, NeverPromisesMoreThanEverything) {
  EXPECT_EQ(progress_text({"read", 70, 50, "files", "", false}, 0, 10), "read: 100%, 70 of 50 files, 7 files/s");
  EXPECT_EQ(progress_text({"read", 999, 1000, "files", "", false}, 999, 1), "read: 99%, 999 of 1.00k files");
}

TEST(ProgressText, IsOneLineWhateverTheDetail) {
  EXPECT_EQ(progress_text({"a\nb", 1, 0, "x", "c\rd\x1b[2J", false}, 0, 0), "a b: 1 x, c d [2J");
}

TEST(ProgressLine, HasABarThatFitsTheTerminal) {
  const Progress half{"read", 25, 50, "files", "", false};
  EXPECT_EQ(progress_line(half, 0, 0, 79), "read [==========          ] 50%, 25 of 50 files");
  EXPECT_EQ(progress_line(half, 0, 0, 30), "read 50%, 25 of 50 files");
  EXPECT_EQ(progress_line(half, 0, 0, 8), "read 50%");
  EXPECT_EQ(progress_line({"read", 25, 0, "files", "", false}, 0, 0, 79), "read 25 files");
}

TEST(ProgressLine, CutsBetweenCharacters) {
  const std::string line = progress_line({"読む", 1, 0, "ファイル", "", false}, 0, 0, 6);
  EXPECT_EQ(line, "読む 1 フ");
}

}  // namespace
}  // namespace polymoe::cli
