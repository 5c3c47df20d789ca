#include "polymoe/config/describe.h"

#include <cmath>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "polymoe/base/files.h"
#include "polymoe/base/random.h"
#include "polymoe/base/utf8.h"
#include "polymoe/config/merge.h"
#include "polymoe/config/presets.h"
#include "polymoe/config/sections.h"
#include "polymoe/config/yaml_reader.h"
#include "temporary_file.h"

namespace polymoe {
namespace {

/// Random allowed values, with a liking for the edges and for text that is hard to quote.
class RandomValues {
 public:
  explicit RandomValues(std::uint64_t seed) : stream_(seed, fnv1a("values")) {}

  void operator()(bool* target) { *target = below(2) == 1; }
  void operator()(std::int64_t* target) {
    const auto span = static_cast<std::uint64_t>(field_->high - field_->low);
    const std::uint64_t offsets[] = {0, span, below(span + 1), below(std::min<std::uint64_t>(span + 1, 100))};
    *target = static_cast<std::int64_t>(field_->low) + static_cast<std::int64_t>(offsets[below(4)]);
  }
  void operator()(double* target) {
    const double far = field_->low + stream_.uniform(next_++) * (field_->high - field_->low);
    const double near = std::min(field_->high, field_->low + std::exp(stream_.uniform(next_++) * 40 - 30));
    const double values[] = {field_->low, field_->high, far, near};
    *target = values[below(4)];
  }
  void operator()(std::string* target) {
    *target = field_->choices.empty() ? text() : field_->choices[below(field_->choices.size())];
  }
  void operator()(const EnumTarget& target) { target.set(field_->choices[below(field_->choices.size())]); }
  void operator()(std::vector<std::string>* target) {
    target->clear();
    for (std::uint64_t i = below(4); i > 0; --i) target->push_back("x" + without_commas(text()));
  }

  void operator()(std::vector<std::int64_t>* target) {
    target->resize(below(4));
    for (std::int64_t& number : *target) (*this)(&number);
  }

  void fill(std::vector<Section>& sections) {
    for (Section& section : sections) {
      for (Field& field : section.fields) {
        field_ = &field;
        std::visit(*this, field.target);
      }
    }
  }

 private:
  std::uint64_t below(std::uint64_t bound) { return stream_.below(next_++, bound); }

  static std::string without_commas(std::string text) {
    std::erase(text, ',');
    return text;
  }

  std::string text() {
    static const std::string words[] = {"",
                                        "null",
                                        "~",
                                        "true",
                                        "no",
                                        "Yes",
                                        "123",
                                        "1.5",
                                        "1e3",
                                        "0x10",
                                        ".inf",
                                        "-",
                                        "- a",
                                        "a: b",
                                        "#x",
                                        "a #b",
                                        "&a",
                                        "*a",
                                        "!tag",
                                        "%x",
                                        "@x",
                                        "`x",
                                        "\"",
                                        "'",
                                        "\\",
                                        "\\n",
                                        "a\nb",
                                        "\t",
                                        " lead",
                                        "trail ",
                                        "...",
                                        "---",
                                        "{a}",
                                        "[a]",
                                        "|",
                                        ">",
                                        "日本/モデル",
                                        "😀",
                                        "\x7f",
                                        "\x01\x1b",
                                        "\r\n",
                                        "?",
                                        "? x",
                                        ":",
                                        "a:",
                                        "<<",
                                        "=",
                                        "\xc2\x85",
                                        "\xc2\xa0",
                                        "\xe2\x80\xa8",
                                        "\xef\xbb\xbf",
                                        "\xef\xbf\xbe",
                                        "./x",
                                        "../x",
                                        "/abs/p.q"};
    const std::string word = words[below(std::size(words))];
    if (below(2) == 0) return word;
    std::string random = word;
    for (std::uint64_t i = below(12); i > 0; --i) {
      const auto c = static_cast<char32_t>(1 + below(below(4) == 0 ? 0x10FFFE : 0xFF));
      if (c < 0xD800 || c > 0xDFFF) append_utf8(random, c);
    }
    return random;
  }

  RandomStream stream_;
  std::uint64_t next_ = 0;
  const Field* field_ = nullptr;
};

std::vector<std::string> values_of(const std::vector<Section>& sections) {
  std::vector<std::string> values;
  for (const Section& section : sections) {
    for (const Field& field : section.fields) values.push_back(field.key + " " + yaml_value(field));
  }
  return values;
}

TEST(DumpYaml, LoadsBackToTheSameValues) {
  for (std::uint64_t seed = 0; seed < 300; ++seed) {
    RunOptions options, loaded;
    std::vector<Section> sections = sections_of(options), loaded_sections = sections_of(loaded);
    RandomValues(seed).fill(sections);
    const std::string yaml = dump_yaml(sections);
    for (const Assignment& assignment : parse_yaml(yaml, "dump")) set_option(loaded_sections, assignment);
    ASSERT_EQ(values_of(loaded_sections), values_of(sections)) << "seed " << seed << "\n" << yaml;
    // Beyond the text: the very same bits and bytes.
    EXPECT_EQ(loaded.optimizer.learning_rate, options.optimizer.learning_rate);
    EXPECT_EQ(loaded.train.output, options.train.output);
    EXPECT_EQ(loaded.data.directions, options.data.directions);
  }
}

TEST(DumpYaml, OfAPresetLoadsBackThroughTheWholeMerge) {
  RunOptions options;
  apply_preset(options.model, "tiny");
  options.model.ffn = 300;
  options.data.directions = {"en-*", "*-en"};
  const TemporaryFile file(dump_yaml(sections_of(options)));
  RunOptions loaded = load_run_options(file.path(), {}).options;
  EXPECT_EQ(values_of(sections_of(loaded)), values_of(sections_of(options)));
}

TEST(DumpYaml, NestsSectionsAndExplainsKeys) {
  bool flag = true;
  std::int64_t count = 3;
  std::string word = "a b";
  std::vector<std::string> list = {"en-de", "*-en"};
  const std::vector<Section> sections = {
      {"model", "the model", {{"count", &count, "how many", {}}}},
      {"model.moe", "experts", {{"word", &word, "which", {"a b", "c"}}}},
      {"data.in", "no table of its own above", {{"flag", &flag, "whether", {}}, {"list", &list, "what", {}}}},
  };
  EXPECT_EQ(dump_yaml(sections),
            "# the model\n"
            "model:\n"
            "  count: 3                            # how many\n"
            "  # experts\n"
            "  moe:\n"
            "    word: \"a b\"                       # which (a b, c)\n"
            "\n"
            "# no table of its own above\n"
            "data.in:\n"
            "  flag: true                          # whether\n"
            "  list: [en-de, \"*-en\"]               # what\n");
}

TEST(DescribeValues, TellsWhatMayStand) {
  bool flag = false;
  std::int64_t count = 0;
  double share = 0;
  std::string word;
  std::vector<std::string> list;
  std::vector<std::int64_t> numbers{4, 2};
  EXPECT_EQ(describe_values({"k", &numbers, "", {}}), "list of whole numbers");
  EXPECT_EQ(yaml_value({"k", &numbers, "", {}}), "[4, 2]");
  EXPECT_EQ(describe_values({"k", &flag, "", {}}), "true or false");
  EXPECT_EQ(describe_values({"k", &count, "", {}, 1, 1 << 24}), "whole number from 1 to 16777216");
  EXPECT_EQ(describe_values({"k", &count, "", {}, 0}), "whole number of at least 0");
  EXPECT_EQ(describe_values({"k", &share, "", {}, 0, 0.999}), "number from 0 to 0.999");
  EXPECT_EQ(describe_values({"k", &share, "", {}}), "number");
  EXPECT_EQ(describe_values({"k", &word, "", {}}), "text");
  EXPECT_EQ(describe_values({"k", &word, "", {"relu", "gelu"}}), "relu, gelu");
  EXPECT_EQ(describe_values({"k", &list, "", {}}), "list of words");
}

TEST(Documentation, HoldsTheTablesOfTheProgram) {
  const std::string text = read_file(std::string(POLYMOE_SOURCE_DIR) + "/docs/configuration.md");
  const std::string marker = "<!-- Below: `polymoe config --markdown`. -->\n";
  const std::size_t at = text.find(marker);
  ASSERT_NE(at, std::string::npos);
  PlannerOptions options;
  EXPECT_EQ(text.substr(at + marker.size()), dump_markdown(sections_of(options)))
      << "docs/configuration.md is out of step: replace what follows its marker by `polymoe config --markdown`";
}

}  // namespace
}  // namespace polymoe
