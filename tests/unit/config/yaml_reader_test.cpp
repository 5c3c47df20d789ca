#include "polymoe/config/yaml_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "temporary_file.h"

namespace polymoe {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

using Kind = Assignment::Kind;

/// "key@line" with what stands behind it.
std::vector<std::string> summary(const std::vector<Assignment>& assignments) {
  std::vector<std::string> lines;
  for (const Assignment& a : assignments) {
    std::string line = fmt::format("{}@{}", a.key, a.where.line);
    if (a.kind == Kind::kList) line += " list";
    if (a.kind == Kind::kNothing) line += " nothing";
    if (a.kind == Kind::kSection) line += " section";
    for (const std::string& value : a.values) line += " <" + value + ">";
    lines.push_back(line);
  }
  return lines;
}

std::vector<std::string> parsed(const std::string& text) { return summary(parse_yaml(text, "run.yaml")); }
std::string error_in(const std::string& text) {
  return error_of([&] { parse_yaml(text, "run.yaml"); });
}

TEST(YamlReader, FlattensSectionsAndKeepsLines) {
  EXPECT_THAT(parsed("# a comment\n"
                     "model:\n"
                     "  hidden: 256   # width\n"
                     "  moe: {experts: 8}\n"
                     "data:\n"
                     "  directions:\n"
                     "    - en-de\n"
                     "    - 'de-en'\n"
                     "  path: \"a b\"\n"),
              ElementsAre("model@2 section", "model.hidden@3 <256>", "model.moe@4 section", "model.moe.experts@4 <8>",
                          "data@5 section", "data.directions@6 list <en-de> <de-en>", "data.path@9 <a b>"));
}

TEST(YamlReader, TakesDottedKeysAndJson) {
  EXPECT_THAT(parsed("model.moe.experts: 8\n"), ElementsAre("model.moe.experts@1 <8>"));
  EXPECT_THAT(parsed("{\"model\": {\"hidden\": 8,\n \"preset\": \"tiny\"}}"),
              ElementsAre("model@1 section", "model.hidden@1 <8>", "model.preset@2 <tiny>"));
}

TEST(YamlReader, TellsNothingFromAnEmptyText) {
  EXPECT_THAT(parsed("train:\n  output:\n  init: \"\"\n  seed: ~\n"),
              ElementsAre("train@1 section", "train.output@2 nothing", "train.init@3 <>", "train.seed@4 nothing"));
  EXPECT_THAT(parsed("train:\ndata: {}\n"), ElementsAre("train@1 nothing", "data@2 section"));
}

TEST(YamlReader, AnEmptyFileGivesNothing) {
  EXPECT_THAT(parsed(""), ElementsAre());
  EXPECT_THAT(parsed("\n\n# only a comment\n"), ElementsAre());
  EXPECT_THAT(parsed("---\n...\n"), ElementsAre());
  EXPECT_THAT(parsed("a: 1\n...\n...\n"), ElementsAre("a@1 <1>"));
  EXPECT_THAT(parsed("\xef\xbb\xbf"), ElementsAre());  // a byte order mark alone
}

TEST(YamlReader, TakesWindowsLineEndsAndAByteOrderMark) {
  const TemporaryFile file("\xef\xbb\xbfmodel:\r\n  hidden: 8\r\n");
  EXPECT_THAT(summary(read_yaml(file.path())), ElementsAre("model@1 section", "model.hidden@2 <8>"));
  EXPECT_EQ(read_yaml(file.path()).front().where.path, file.path());
}

TEST(YamlReader, RefusesAKeyGivenTwice) {
  EXPECT_EQ(error_in("model:\n  hidden: 8\n  ffn: 9\n  hidden: 8\n"),
            "run.yaml:4: 'model.hidden' is given twice; it first stands on line 2");
  EXPECT_EQ(error_in("model: {hidden: 8}\ntrain:\nmodel: {ffn: 8}\n"),
            "run.yaml:3: 'model' is given twice; it first stands on line 1");
  EXPECT_EQ(error_in("model: {hidden: 8}\nmodel.hidden: 9\n"),
            "run.yaml:2: 'model.hidden' is given twice; it first stands on line 1");
}

TEST(YamlReader, RefusesWhatIsNoMapOfSections) {
  EXPECT_THAT(error_in("just text\n"), StartsWith("run.yaml:1: not a configuration"));
  EXPECT_THAT(error_in("\n- a\n- b\n"), StartsWith("run.yaml:2: not a configuration"));
  EXPECT_THAT(error_in("model: [1, [2]]\n"), StartsWith("run.yaml:1: model: a list inside a list"));
  EXPECT_THAT(error_in("data:\n  directions:\n    - {a: 1}\n"),
              StartsWith("run.yaml:3: data.directions: a map inside"));
  EXPECT_THAT(error_in("data: {directions: [a, ~]}\n"), StartsWith("run.yaml:1: data.directions: an item of the list"));
  EXPECT_THAT(error_in("? [a]\n: 1\n"), StartsWith("run.yaml:1: a list stands where a key is due"));
  EXPECT_THAT(error_in("? {a: 1}\n: 1\n"), StartsWith("run.yaml:1: a map stands where a key is due"));
  EXPECT_THAT(error_in("~: 1\n"), StartsWith("run.yaml:1: a key is missing"));
  EXPECT_THAT(error_in("'': 1\n"), StartsWith("run.yaml:1: '' is no key"));
  EXPECT_THAT(error_in("a: 1\n---\nb: 2\n"), StartsWith("run.yaml: a second document"));
}

TEST(YamlReader, RefusesSyntaxErrorsWithTheirLine) {
  EXPECT_THAT(error_in("model:\n  hidden: 8\n ffn: 9\n"), StartsWith("run.yaml:3: not valid YAML"));
  for (const char* text : {"model: {hidden: 8\n", "model: \"open\n", "a:\n  b: [1, 'open"}) {
    EXPECT_THAT(error_in(text), StartsWith("run.yaml:2: not valid YAML: the file ends inside a quoted text")) << text;
  }
  EXPECT_THAT(error_in("a: b: c\n"), StartsWith("run.yaml:1: not valid YAML"));
}

TEST(YamlReader, RefusesTabsInTheIndentation) {
  EXPECT_EQ(error_in("model:\n\thidden: 8\n"), "run.yaml:2: a tab in the indentation; indent with spaces");
  EXPECT_EQ(error_in("model:\n  \thidden: 8\n"), "run.yaml:2: a tab in the indentation; indent with spaces");
  EXPECT_THAT(parsed("a: 1\t# a tab before a comment\n"), ElementsAre("a@1 <1>"));
}

TEST(YamlReader, RefusesBinaryData) {
  EXPECT_THAT(error_in(std::string("\x7f"
                                   "ELF\x02\x01\x01\0\0",
                                   9)),
              StartsWith("run.yaml:1: not a text file in UTF-8"));
  EXPECT_THAT(error_in("a: 1\nb: caf\xe9\n"), StartsWith("run.yaml:2: not a text file in UTF-8"));
  EXPECT_THAT(error_in(std::string("\xff\xfe"
                                   "a\0:\0",
                                   6)),
              StartsWith("run.yaml:1: not a text file"));  // UTF-16
}

TEST(YamlReader, RefusesAliases) {
  EXPECT_THAT(error_in("a: &x 1\nb: *x\n"), StartsWith("run.yaml:2: aliases (*name) are not supported"));
  std::string bomb = "a0: &a0 [x]\n";
  for (int i = 1; i < 30; ++i) bomb += fmt::format("a{0}: &a{0} [*a{1}, *a{1}]\n", i, i - 1);
  EXPECT_THAT(error_in(bomb), StartsWith("run.yaml:2: aliases"));
  EXPECT_THAT(error_in("b: *never\n"), StartsWith("run.yaml:1: "));
}

TEST(YamlReader, RefusesDeepNesting) {
  std::string text;
  for (int i = 0; i < 100000; ++i) text += "[";
  EXPECT_THAT(error_in("a: " + text), StartsWith("run.yaml:1: "));
  text.clear();
  for (int i = 0; i < 100000; ++i) text += "{a: ";
  EXPECT_THAT(error_in(text), StartsWith("run.yaml:1: "));
  text.clear();
  for (int i = 0; i < 400; ++i) text += std::string(static_cast<std::size_t>(i), ' ') + "a:\n";
  EXPECT_THAT(error_in(text), HasSubstr("sections nested too deep"));
}

TEST(YamlReader, RefusesWhatIsTooLarge) {
  EXPECT_THAT(error_in(std::string(2 << 20, '#')), StartsWith("run.yaml: over 1 MiB"));
  EXPECT_THAT(error_in(std::string(200, 'k') + ": 1\n"), HasSubstr("is no key"));
  EXPECT_THAT(error_of([] { read_yaml("/dev/zero"); }), StartsWith("/dev/zero:1: line of over"));
  std::string lines;
  for (int i = 0; i < 300000; ++i) lines += "a" + std::to_string(i) + ": 1\n";
  const TemporaryFile file(lines);
  EXPECT_THAT(error_of([&] { read_yaml(file.path()); }), StartsWith(file.path() + ": over 1 MiB"));
}

TEST(YamlReader, KeepsAHugeValueWhole) {
  const std::string value(1'000'000, 'v');
  const std::vector<Assignment> assignments = parse_yaml("train: {output: " + value + "}\n", "run.yaml");
  ASSERT_EQ(assignments.size(), 2u);
  EXPECT_EQ(assignments[1].values.front(), value);
}

TEST(YamlReader, NamesAMissingFile) {
  EXPECT_EQ(error_of([] { read_yaml("/missing/run.yaml"); }),
            "/missing/run.yaml: cannot open: No such file or directory");
}

}  // namespace
}  // namespace polymoe
