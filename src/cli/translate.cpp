#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include <fmt/core.h>

#include "base/error.h"
#include "base/files.h"
#include "base/utf8.h"
#include "cli/commands.h"
#include "cli/console.h"
#include "cli/options.h"
#include "data/task.h"
#include "decode/translator.h"

namespace polymoe::cli {
namespace {

struct Arguments {
  std::string model;
  std::string vocabulary;
  std::string source;
  std::string target;
  std::string task = "translation";
  std::string input = "-";
  std::string precision = "float32";
  std::string device = "cpu";
  std::int64_t lines_at_a_time = 1000;
  bool with_scores = false;
  bool show_progress = false;
};

// Reads up to `count` lines; fewer only at the end of the input.
std::vector<std::string> read_lines(LineReader& reader, std::int64_t count) {
  std::vector<std::string> lines;
  std::string line;
  while (static_cast<std::int64_t>(lines.size()) < count && reader.next(line)) {
    if (const std::size_t bad = find_bad_utf8(line); bad != std::string::npos) {
      throw Error(fmt::format("bad UTF-8 at byte {}", bad + 1), {reader.path(), reader.line_number()},
                  "convert the text to UTF-8 first (iconv)");
    }
    lines.push_back(line);
  }
  return lines;
}

// One line for each sentence; with several translations each, `number ||| translation ||| score` as Marian and Moses
// have.
void print(const std::vector<std::vector<Translation>>& results, std::uint64_t first_number, bool lists) {
  for (std::size_t i = 0; i < results.size(); ++i) {
    for (const Translation& translation : results[i]) {
      if (lists) {
        fmt::print("{} ||| {} ||| {:.4f}\n", first_number + i, translation.text, translation.score);
      } else {
        fmt::print("{}\n", translation.text);
      }
    }
  }
  std::fflush(stdout);
}

void translate(const Arguments& arguments, const DecodeOptions& options) {
  Translator translator =
      Translator::load(arguments.model, arguments.vocabulary, options, arguments.precision, arguments.device);
  translator.vocabulary().language_index(arguments.source);
  translator.vocabulary().language_index(arguments.target);
  parse_task(arguments.task, translator.vocabulary());
  LineReader reader(arguments.input);
  const ProgressSink progress = arguments.show_progress ? console_progress() : ProgressSink{};
  std::uint64_t done = 0;
  for (;;) {
    const std::vector<std::string> lines = read_lines(reader, arguments.lines_at_a_time);
    if (lines.empty()) return;
    const auto results = translator.translate(lines, arguments.source, arguments.target, progress, arguments.task);
    print(results, done, arguments.with_scores || options.n_best > 1);
    done += lines.size();
  }
}

}  // namespace

void add_translate(CLI::App& app) {
  CLI::App* command = app.add_subcommand(
      "translate", "Translate sentences, one a line, from standard input, or do another task with them");
  auto arguments = std::make_shared<Arguments>();
  command->add_option("--model", arguments->model, "run folder or checkpoint; a run folder means its best checkpoint")
      ->required()
      ->type_name("DIR");
  command->add_option("--vocab", arguments->vocabulary, "vocabulary, where it does not lie beside the checkpoint")
      ->type_name("FILE");
  command->add_option("--source-language,-s", arguments->source, "language of the input, e.g. en")->required();
  command->add_option("--target-language,-t", arguments->target, "language to translate into, e.g. de")->required();
  command
      ->add_option("--task", arguments->task,
                   "what to do with the input: translation, or another task that the model was trained for")
      ->capture_default_str()
      ->type_name("NAME");
  command->add_option("--input", arguments->input, "file to translate, gzip too; - is standard input")
      ->capture_default_str()
      ->type_name("FILE");
  add_model_placement(*command, arguments->precision, arguments->device);
  command
      ->add_option("--lines-at-a-time", arguments->lines_at_a_time,
                   "lines read before they are sorted into batches and translated; 1 answers line by line")
      ->check(CLI::Range(std::int64_t{1}, std::int64_t{1} << 40))
      ->capture_default_str();
  command->add_flag("--scores", arguments->with_scores, "print `number ||| translation ||| score`");
  command->add_flag("--progress", arguments->show_progress, "show progress on standard error");
  command->footer(
      "Translations come on standard output, in the order of the input; --n-best prints several for each sentence.\n\n"
      "Example:\n"
      "  echo 'Open the file.' | polymoe translate --model run -s en -t de\n"
      "  polymoe translate --model run --task summary -s en -t en < articles.txt");
  auto binder = std::make_shared<OptionBinder>(*command, std::vector<std::string>{"decode"});
  command->callback([arguments, binder] {
    const RunOptions& options = binder->finish();
    if (binder->dump_requested()) {
      fmt::print("{}", binder->dump());
    } else {
      translate(*arguments, options.decode);
    }
  });
}

}  // namespace polymoe::cli
