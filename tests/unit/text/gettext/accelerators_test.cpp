#include "polymoe/text/gettext/accelerators.h"

#include <gtest/gtest.h>

namespace polymoe {
namespace {

constexpr auto kUnderscore = AcceleratorMark::kUnderscore;
constexpr auto kAmpersand = AcceleratorMark::kAmpersand;

std::vector<CatalogMessage> messages_of(const std::vector<std::string>& ids) {
  std::vector<CatalogMessage> messages;
  for (const std::string& id : ids) messages.push_back({"", id, "", {""}});
  return messages;
}

TEST(Accelerators, AreRecognisedByWordsThatStartWithTheMark) {
  EXPECT_EQ(accelerator_mark_of(messages_of({"_File", "Save _As...", "_Quit", "Untitled"})), kUnderscore);
  EXPECT_EQ(accelerator_mark_of(messages_of({"&File", "Save &As...", "&Quit", "R&D"})), kAmpersand);
  EXPECT_EQ(accelerator_mark_of(messages_of({"cannot set LC_ALL", "file_name", "x_y", "AT&T", "&lt;b&gt;", "&amp;"})),
            AcceleratorMark::kNone);
}

TEST(Accelerators, AreNotSeenInAFewNamesAmongManyMessages) {
  std::vector<std::string> ids(2000, "invalid operand");
  for (int i = 0; i < 5; ++i) ids.push_back("use of _Bool");  // 0.25 %
  EXPECT_EQ(accelerator_mark_of(messages_of(ids)), AcceleratorMark::kNone);
}

TEST(Accelerators, AreStrippedFromEnglish) {
  EXPECT_EQ(strip_accelerator("_File", kUnderscore), "File");
  EXPECT_EQ(strip_accelerator("E_xit", kUnderscore), "Exit");
  EXPECT_EQ(strip_accelerator("Save &As...", kAmpersand), "Save As...");
  EXPECT_EQ(strip_accelerator("Cut && &Paste", kAmpersand), "Cut & Paste");
}

TEST(Accelerators, LeaveNamesAlone) {
  EXPECT_EQ(strip_accelerator("Set LC_ALL", kUnderscore), "Set LC_ALL");
  EXPECT_EQ(strip_accelerator("my_file_name", kUnderscore), "my_file_name");
  EXPECT_EQ(strip_accelerator("a _ b", kUnderscore), "a _ b");
  EXPECT_EQ(strip_accelerator("__init__", kUnderscore), "__init__");
  EXPECT_EQ(strip_accelerator("Salt & Pepper", kAmpersand), "Salt & Pepper");
  EXPECT_EQ(strip_accelerator("AT&T", kAmpersand), "AT&T");
  EXPECT_EQ(strip_accelerator("a &lt; b", kAmpersand), "a &lt; b");
  EXPECT_EQ(strip_accelerator("_File", AcceleratorMark::kNone), "_File");
}

TEST(Accelerators, AreStrippedFromTranslations) {
  EXPECT_EQ(strip_translated_accelerator("_Öffnen", kUnderscore), "Öffnen");
  EXPECT_EQ(strip_translated_accelerator("Ö_ffnen", kUnderscore), "Öffnen");
  EXPECT_EQ(strip_translated_accelerator("_Файл", kUnderscore), "Файл");
  EXPECT_EQ(strip_translated_accelerator("ファイル(_F)", kUnderscore), "ファイル");
  EXPECT_EQ(strip_translated_accelerator("另存为(&A)...", kAmpersand), "另存为...");
  EXPECT_EQ(strip_translated_accelerator("열기 (_O)", kUnderscore), "열기");
  EXPECT_EQ(strip_translated_accelerator("打开（_O）", kUnderscore), "打开");
  EXPECT_EQ(strip_translated_accelerator("数(x)", kUnderscore), "数(x)");
}

TEST(Accelerators, AreCountedOnlyBeforeLetters) {
  EXPECT_EQ(count_marks("VBI & Teletext", kAmpersand), 0u);
  EXPECT_EQ(count_marks("V&ST & &X", kAmpersand), 2u);
  EXPECT_EQ(count_marks("V&ST", AcceleratorMark::kNone), 0u);
}

}  // namespace
}  // namespace polymoe
