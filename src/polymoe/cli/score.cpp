#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include <fmt/core.h>

#include "polymoe/base/error.h"
#include "polymoe/base/quote.h"
#include "polymoe/base/remarks.h"
#include "polymoe/cli/commands.h"
#include "polymoe/cli/direction.h"
#include "polymoe/cli/options.h"
#include "polymoe/cli/threads.h"
#include "polymoe/config/effects.h"
#include "polymoe/decode/translator.h"
#include "polymoe/evaluate/segments.h"

namespace polymoe::cli {
namespace {

struct ScoreArguments {
  std::string model;
  std::string vocabulary;
  std::string source;
  std::string target;
  std::string task = "translation";
  std::string input = "-";
  std::string translations;
  std::string precision = "auto";
  std::string device = "cpu";
  std::int64_t threads = 0;
  bool verify = true;
  bool normalized = false;
  bool word_scores = false;
};

struct Pairs {
  std::vector<std::string> sources, targets;
};

// Two files line by line, or one of `source TAB target`.
Pairs read_pairs(const ScoreArguments& arguments) {
  Pairs pairs;
  const std::string input = arguments.input == "-" ? "standard input" : arguments.input;
  const std::vector<std::string> lines = read_segments(arguments.input);
  if (!arguments.translations.empty()) {
    pairs = {lines, read_segments(arguments.translations)};
    if (pairs.targets.size() == lines.size()) return pairs;
    throw Error(fmt::format("{} lines, but {} has {}", pairs.targets.size(), input, lines.size()),
                {arguments.translations, 0}, "give a translation for each line of the input");
  }
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
  const std::string targets = arguments.translations.empty() ? arguments.input : arguments.translations;
  const auto look = [&](const std::vector<std::string>& lines, const std::string& path, const std::string& language) {
    for (std::size_t i = 0; i < lines.size(); ++i) {
      const auto unknown = vocabulary.unknown_texts(lines[i], vocabulary.language_index(language));
      if (unknown.empty()) continue;
      unknown_lines.add(fmt::format("the vocabulary does not know {}", in_quotes(unknown.front())),
                        {path == "-" ? "standard input" : path, i + 1}, "");
    }
  };
  look(pairs.sources, arguments.input, arguments.source);
  look(pairs.targets, targets, arguments.target);
  unknown_lines.finish();
}

void score(const ScoreArguments& arguments, const DecodeOptions& options) {
  const Pairs pairs = read_pairs(arguments);
  use_threads(arguments.threads);
  Translator translator = Translator::load(arguments.model, arguments.vocabulary, options, arguments.precision,
                                           arguments.device, arguments.verify ? Check::kValues : Check::kHeaders);
  const Vocabulary& vocabulary = translator.vocabulary();
  parse_task(arguments.task, vocabulary);
  remark_untrained(translator, arguments.model, arguments.task,
                   direction_named(arguments.source, arguments.target, vocabulary));
  remark_unknown(arguments, pairs, vocabulary);
  const auto name_of = [](const std::string& path) { return path == "-" ? "standard input" : path; };
  const std::string& targets = arguments.translations.empty() ? arguments.input : arguments.translations;
  const auto scores = translator.score(pairs.sources, pairs.targets, arguments.source, arguments.target, arguments.task,
                                       {name_of(arguments.input), name_of(targets)});
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
  command->add_option("--model", arguments->model, "run folder or checkpoint; a run folder means its best checkpoint")
      ->required()
      ->type_name("DIR");
  command->add_option("--vocab", arguments->vocabulary, "vocabulary, where it does not lie beside the checkpoint")
      ->type_name("FILE");
  command->add_option("--source-language,-s", arguments->source, "language of the sources, e.g. en")->required();
  command->add_option("--target-language,-t", arguments->target, "language of the translations, e.g. de")->required();
  command
      ->add_option("--task", arguments->task, "what the translations are to the sources: translation, or another task")
      ->capture_default_str()
      ->type_name("NAME");
  command
      ->add_option("--input", arguments->input,
                   "sources, one a line, or without --translations SOURCE TAB TARGET; - is standard input")
      ->capture_default_str()
      ->type_name("FILE");
  command->add_option("--translations", arguments->translations, "translations, one a line")->type_name("FILE");
  add_model_placement(*command, arguments->precision, arguments->device, /*decodes=*/true);
  add_threads(*command, arguments->threads);
  add_no_verify(*command, arguments->verify);
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
