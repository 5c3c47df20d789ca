#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include <fmt/core.h>

#include "polymoe/base/error.h"
#include "polymoe/base/quote.h"
#include "polymoe/base/remarks.h"
#include "polymoe/cli/commands.h"
#include "polymoe/cli/options.h"
#include "polymoe/cli/translator_options.h"
#include "polymoe/config/effects.h"
#include "polymoe/decode/translator.h"
#include "polymoe/evaluate/segments.h"

namespace polymoe::cli {
namespace {

struct ScoreArguments {
  ModelTask asked;
  std::string input = "-";
  std::string translations;
  bool normalized = false;
  bool word_scores = false;
};

struct Pairs {
  std::vector<std::string> sources, targets;
  TextNames names;
};

// Two files line by line, or one of `source TAB target`.
Pairs read_pairs(const ScoreArguments& arguments) {
  const auto name_of = [](const std::string& path) { return path == "-" ? "standard input" : path; };
  const std::string input = name_of(arguments.input);
  const std::vector<std::string> lines = read_segments(arguments.input);
  if (!arguments.translations.empty()) {
    Pairs pairs{lines, read_segments(arguments.translations), {input, name_of(arguments.translations)}};
    if (pairs.targets.size() == lines.size()) return pairs;
    throw Error(fmt::format("{} lines, but {} has {}", pairs.targets.size(), input, lines.size()),
                {arguments.translations, 0}, "give a translation for each line of the input");
  }
  Pairs pairs{{}, {}, {input, input}};
  for (std::size_t i = 0; i < lines.size(); ++i) {
    const std::size_t tab = lines[i].find('\t');
    if (tab == std::string::npos || lines[i].find('\t', tab + 1) != std::string::npos) {
      const char* const count = tab == std::string::npos ? "no tab" : "more than one tab";
      throw Error(fmt::format("{} in {}", count, in_quotes(lines[i])), {input, i + 1},
                  "write SOURCE TAB TARGET, or name the file of translations with --translations");
    }
    pairs.sources.push_back(lines[i].substr(0, tab));
    pairs.targets.push_back(lines[i].substr(tab + 1));
  }
  return pairs;
}

void remark_unknown(const ScoreArguments& arguments, const Pairs& pairs, const Vocabulary& vocabulary) {
  RemarkTally unknown_lines("lines with text that the vocabulary does not know");
  const auto look = [&](const std::vector<std::string>& lines, const std::string& name, const std::string& language) {
    for (std::size_t i = 0; i < lines.size(); ++i) {
      const auto unknown = vocabulary.unknown_texts(lines[i], vocabulary.language_index(language));
      if (unknown.empty()) continue;
      unknown_lines.add(fmt::format("the vocabulary does not know {}", in_quotes(unknown.front())), {name, i + 1}, "");
    }
  };
  look(pairs.sources, pairs.names.sources, arguments.asked.source);
  look(pairs.targets, pairs.names.targets, arguments.asked.target);
  unknown_lines.finish();
}

void score(const ScoreArguments& arguments, const DecodeOptions& options) {
  const Pairs pairs = read_pairs(arguments);
  Translator translator = load_translator(arguments.asked, options);
  check_direction(translator, arguments.asked);
  remark_unknown(arguments, pairs, translator.vocabulary());
  const auto scores = translator.score(pairs.sources, pairs.targets, arguments.asked.source, arguments.asked.target,
                                       arguments.asked.task, pairs.names);
  for (const TargetScore& own : scores) {
    std::string line = fmt::format("{:.4f}", arguments.normalized ? own.score : own.log_probability);
    if (arguments.word_scores) {
      for (const double value : own.word_scores) line += fmt::format(" {:.4f}", value);
    }
    fmt::print("{}\n", line);
  }
}

}  // namespace

void add_score(CLI::App& app) {
  CLI::App* command = app.add_subcommand("score", "Score translations that are there, by what a model makes of them");
  auto arguments = std::make_shared<ScoreArguments>();
  add_model_task(*command, arguments->asked);
  command
      ->add_option("--input", arguments->input,
                   "sources, one a line, or without --translations SOURCE TAB TARGET; - is standard input")
      ->capture_default_str()
      ->type_name("FILE");
  command->add_option("--translations", arguments->translations, "translations, one a line")->type_name("FILE");
  add_placement(*command, arguments->asked.placement);
  command->add_flag("--normalized", arguments->normalized,
                    "print what `polymoe translate --scores` does: over length^length-penalty");
  command->add_flag("--word-scores", arguments->word_scores,
                    "print the log probability of each word and of the end mark behind it");
  command->footer(
      "Prints for each pair the log probability of the translation, its end mark counted: the nearer to 0, the\n"
      "likelier it is to the model. A translation is cut into pieces as the vocabulary does it; where the model wrote\n"
      "others, its own score differs.\n\n"
      "Examples:\n"
      "  polymoe score --model run -s en -t de --input test.en --translations test.de\n"
      "  paste test.en test.de | polymoe score --model run -s en -t de --normalized");
  run_with_options(*command, {"decode"}, [arguments](const RunOptions& options, const GivenKeys& given) {
    remark_without_effect(without_effect_on_scores(options, given, arguments->normalized));
    score(*arguments, options.decode);
  });
}

}  // namespace polymoe::cli
