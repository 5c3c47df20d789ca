#include <cstdlib>
#include <filesystem>
#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "polymoe/base/error.h"
#include "polymoe/base/process.h"
#include "support/temporary_folder.h"
#include "unit/formats/fake_model.h"

namespace polymoe {
namespace {

using namespace testing;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::Pair;

std::string catalogue(const std::string& entries, const std::string& forms = "nplurals=2; plural=(n != 1);") {
  return "msgid \"\"\nmsgstr \"\"\n\"Project-Id-Version: x 1\\n\"\n\"PO-Revision-Date: 2024-01-01 00:00+0000\\n\"\n"
         "\"Last-Translator: A <a@b.c>\\n\"\n\"Language-Team: none\\n\"\n\"Language: de\\n\"\n\"MIME-Version: "
         "1.0\\n\"\n"
         "\"Content-Type: text/plain; charset=UTF-8\\n\"\n\"Content-Transfer-Encoding: 8bit\\n\"\n\"Plural-Forms: " +
         forms + "\\n\"\n\n" + entries;
}

std::string translate_po(const std::string& text, const TranslateLines& translate, FillReport* report = nullptr) {
  return translate_text(DocumentFormat::kPo, text, translate, report);
}

std::string refusal(const std::string& text) {
  try {
    read_document(DocumentFormat::kPo, text, {"x.po", "en", "de"});
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

/// What gettext's own compiler says of a catalogue.
void expect_sound(const std::string& text) {
  const TemporaryFolder folder;
  const std::string file = folder.write("x.po", text);
  ProcessResult result;
  try {
    result = run_process({"msgfmt", "--check", "--use-fuzzy", "-o", "/dev/null", file});
  } catch (const Error&) {
    GTEST_SKIP() << "there is no msgfmt here";
  }
  EXPECT_EQ(result.exit_code, 0) << result.errors << text;
}

TEST(PoDocuments, FillEmptyEntriesAsFuzzy) {
  const std::string text =
      translate_po(catalogue("# by hand\n#. extracted\n#: a.c:1\nmsgctxt \"menu\"\nmsgid \"Open\"\nmsgstr \"\"\n\n"
                             "msgid \"Close\"\nmsgstr \"Zu\"\n\n#~ msgid \"Old\"\n#~ msgstr \"Alt\"\n"),
                   marks_lines());
  EXPECT_THAT(text, HasSubstr("# by hand\n#. extracted\n#: a.c:1\n#, fuzzy\nmsgctxt \"menu\"\nmsgid \"Open\"\n"
                              "msgstr \"de:Open\"\n"));
  EXPECT_THAT(text, HasSubstr("\nmsgid \"Close\"\nmsgstr \"Zu\"\n"));
  EXPECT_THAT(text, HasSubstr("#~ msgid \"Old\"\n#~ msgstr \"Alt\"\n"));
  expect_sound(text);
}

TEST(PoDocuments, FillPluralsByTheLanguagesRule) {
  const std::string entry = "#, c-format\nmsgid \"one file\"\nmsgid_plural \"%d files\"\nmsgstr[0] \"\"\n";
  std::string text = translate_po(catalogue(entry + "msgstr[1] \"\"\n"), marks_lines());
  EXPECT_THAT(text, HasSubstr("msgstr[0] \"de:one file\"\nmsgstr[1] \"de:%d files\"\n"));
  expect_sound(text);
  text = translate_po(catalogue(entry, "nplurals=1; plural=0;"), marks_lines());
  EXPECT_THAT(text, HasSubstr("msgstr[0] \"de:%d files\"\n"));
  expect_sound(text);
  // In Russian the form for 1 is that for 21 as well.
  text = translate_po(catalogue(entry + "msgstr[1] \"\"\nmsgstr[2] \"\"\n",
                                "nplurals=3; plural=(n%10==1 && n%100!=11 ? 0 : n%10>=2 && n%10<=4 && (n%100<10 || "
                                "n%100>=20) ? 1 : 2);"),
                      marks_lines());
  EXPECT_THAT(text, HasSubstr("msgstr[0] \"de:%d files\"\nmsgstr[1] \"de:%d files\"\nmsgstr[2] \"de:%d files\"\n"));
  expect_sound(text);
}

TEST(PoDocuments, LeavePluralsOfUnknownRule) {
  const std::string entry = "msgid \"a file\"\nmsgid_plural \"files\"\nmsgstr[0] \"\"\nmsgstr[1] \"\"\n";
  for (const std::string& text : {entry, catalogue(entry, "nplurals=INTEGER; plural=EXPRESSION;"),
                                  catalogue(entry, "nplurals=99999999; plural=n != 1;")}) {
    const auto document = read_document(DocumentFormat::kPo, text, {"x", "en", "de"});
    EXPECT_TRUE(document->segments().empty());
    EXPECT_EQ(document->passed_over().at("messages with plural, for the header has no Plural-Forms that can be read"),
              1u);
  }
}

TEST(PoDocuments, PutAcceleratorsBack) {
  const auto translate = each_line([](const std::string& line) {
    return line == "File"         ? "Datei"
           : line == "Save As..." ? "Speichern unter..."
           : line == "Quit"       ? "Beenden"
                                  : "Ansicht";
  });
  const std::string text = translate_po(
      catalogue("msgid \"_File\"\nmsgstr \"\"\n\nmsgid \"Save _As...\"\nmsgstr \"\"\n\nmsgid \"_Quit\"\nmsgstr \"\"\n\n"
                "msgid \"_View\"\nmsgstr \"\"\n"),
      translate);
  for (const char* const form : {"_Datei", "_Speichern unter...", "_Beenden", "_Ansicht"}) {
    EXPECT_THAT(text, HasSubstr("msgstr \"" + std::string(form) + "\"\n"));
  }
}

TEST(PoDocuments, KeepLineEndsAndLists) {
  const std::string text = translate_po(
      catalogue("msgid \"\"\n\"Usage:\\n\"\n\"  -a, --all  show all\\n\"\n\"  -b  be brief\\n\"\nmsgstr \"\"\n"),
      marks_lines());
  EXPECT_THAT(text, HasSubstr("\"de:Usage:\\n\"\n\"  de:-a, --all show all\\n\"\n\"  de:-b be brief\\n\"\n"));
  expect_sound(text);
}

TEST(PoDocuments, LeaveWhatMsgfmtRefuses) {
  FillReport report;
  // The arguments' order is that of the translation: %d would get the string.
  const auto reverses = each_line([](const std::string& line) {
    return line == "%s has %d" ? "%d von %s" : line == "lost %s" ? "weg" : "gut";
  });
  const std::string text = translate_po(
      catalogue("#, c-format\nmsgid \"%s has %d\"\nmsgstr \"\"\n\n#, c-format\nmsgid \"lost %s\"\nmsgstr \"\"\n\n"
                "msgid \"fine\"\nmsgstr \"\"\n"),
      reverses, &report);
  EXPECT_EQ(report.refused, 1u);
  EXPECT_EQ(report.lost_directives, 1u);
  EXPECT_EQ(report.filled, 1u);
  EXPECT_THAT(text, Not(HasSubstr("von")));
  expect_sound(text);
}

/// A message of msgunfmt without its translations, and with the flag that .mo files do not keep.
std::string emptied(const std::string& message) {
  std::string text = message.find('%') == std::string::npos ? "" : "#, c-format\n";
  std::istringstream lines(message);
  bool in_translation = false;
  for (std::string line; std::getline(lines, line);) {
    const bool starts = line.starts_with("msgstr");
    in_translation = in_translation || starts;
    if (starts) line.resize(line.find(' ') + 1);
    if (starts) line += "\"\"";
    if (starts || !in_translation) text += line + "\n";
  }
  return text + "\n";
}

/// Catalogues as Debian's packages install them, in UTF-8, with their header alone.
std::vector<std::string> installed_catalogues(const std::string& language, std::size_t most) {
  std::vector<std::string> texts;
  const std::filesystem::path folder = "/usr/share/locale/" + language + "/LC_MESSAGES";
  if (!std::filesystem::exists(folder) || std::system("msgunfmt --version >/dev/null 2>&1") != 0) return texts;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (texts.size() == most) break;
    const std::string output =
        run_process({"sh", "-c", "msgunfmt \"$0\" | msgconv --to-code=UTF-8", entry.path()}).output;
    std::string text;
    for (std::size_t begin = 0; begin < output.size();) {
      const std::size_t end = std::min(output.find("\n\n", begin), output.size());
      const std::string message = output.substr(begin, end - begin);
      text += text.empty() ? message + "\n\n" : emptied(message);
      begin = end + 2;
    }
    if (!text.empty()) texts.push_back(text);
  }
  return texts;
}

TEST(PoDocuments, FillInstalledCataloguesAsMsgfmtWants) {
  // A model that loses and turns round words: what it breaks must stay out.
  const auto turns_round = each_line([](const std::string& line) {
    std::string turned;
    std::istringstream words(line);
    for (std::string word; words >> word;) turned = turned.empty() ? word : word + " " + turned;
    return turned.size() % 7 == 0 ? turned.substr(turned.find(' ') + 1) : turned;
  });
  std::size_t seen = 0;
  std::uint64_t filled = 0, left = 0;
  for (const char* const language : {"de", "ru", "ja", "ar"}) {
    for (const std::string& text : installed_catalogues(language, 5)) {
      const auto document = read_document(DocumentFormat::kPo, text, {"x.po", "en", language});
      const FillReport report = fill_document(*document, turns_round);
      expect_sound(document->text());
      filled += report.filled;
      left += report.left();
      ++seen;
    }
  }
  if (seen == 0) GTEST_SKIP() << "no catalogues are installed here";
  EXPECT_GT(filled, left);
  EXPECT_GT(left, 0u);
}

TEST(PoDocuments, PassOverCredits) {
  const std::string text = translate_po(catalogue("msgid \"translator-credits\"\nmsgstr \"\"\n"), marks_lines());
  EXPECT_THAT(text, HasSubstr("msgid \"translator-credits\"\nmsgstr \"\"\n"));
}

TEST(PoDocuments, CountContextsInTheTextByThemselves) {
  const auto document = read_document(DocumentFormat::kPo, catalogue("msgid \"_: a menu\\n\"\n\"Open\"\nmsgstr \"\"\n"),
                                      {"x", "en", "de"});
  EXPECT_TRUE(document->segments().empty());
  EXPECT_THAT(document->passed_over(), ElementsAre(Pair("messages with a context in the text, as KDE's old ones", 1u)));
}

TEST(PoDocuments, AreInUtf8) {
  const auto of = [](const std::string& charset) {
    return "msgid \"\"\nmsgstr \"Content-Type: text/plain; charset=" + charset + "\\n\"\n\nmsgid \"a\"\nmsgstr \"\"\n";
  };
  for (const char* const charset : {"UTF-8", "utf-8", "UTF8"}) EXPECT_EQ(refusal(of(charset)), "") << charset;
  for (const char* const charset : {"ASCII", "US-ASCII", "ISO-8859-1", "EUC-JP"}) {
    EXPECT_THAT(refusal(of(charset)),
                AllOf(HasSubstr("x.po: its character set is '" + std::string(charset) + "', not UTF-8"),
                      HasSubstr("msgconv -t UTF-8")));
  }
  EXPECT_THAT(refusal(of("CHARSET")), AllOf(HasSubstr("msginit"), HasSubstr("msgconv -t UTF-8")));
}

TEST(PoDocuments, NameTheFault) {
  EXPECT_THAT(refusal(catalogue("msgid \"a\"\nmsgstr \"b\nmsgid")), HasSubstr("x.po:15: not a message catalogue"));
  EXPECT_THAT(refusal(catalogue("msgid \"a\"\nmsgstr \"b\"\n\nmsgid \"a\"\nmsgstr \"c\"\n")), HasSubstr("duplicate"));
  EXPECT_THAT(refusal("msgid \"\"\nmsgstr \"Content-Type: text/plain; charset=CHARSET\\n\"\n"), HasSubstr("msginit"));
  EXPECT_THAT(refusal("msgid \"\"\nmsgstr \"Language: fr\\nContent-Type: text/plain; charset=UTF-8\\n\"\n"),
              HasSubstr("of the language 'fr', not 'de'"));
  EXPECT_THAT(refusal("not a catalogue\n"), HasSubstr("x.po:1"));
}

}  // namespace
}  // namespace polymoe
