#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include <fmt/core.h>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/files.h"
#include "base/remarks.h"
#include "checkpoint/model_checkpoint.h"
#include "cli/commands.h"
#include "cli/console.h"
#include "cli/options.h"
#include "data/trained.h"
#include "decode/translator.h"
#include "text/text_encoding.h"

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
  bool verify = true;
  std::int64_t lines_at_a_time = 1000;
  bool with_scores = false;
  bool show_progress = false;
};

// Reads up to `count` lines; fewer only at the end of the input.
std::vector<std::string> read_lines(LineReader& reader, std::int64_t count) {
  std::vector<std::string> lines;
  std::string line;
  while (static_cast<std::int64_t>(lines.size()) < count && reader.next(line)) {
    if (const TextFault fault = find_text_fault(line); !fault.message.empty()) {
      throw Error(fault.message, {reader.path(), reader.line_number()}, fault.remedy);
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

const std::string& language_named(const std::string& name, const Vocabulary& vocabulary) {
  return vocabulary.languages().at(static_cast<std::size_t>(vocabulary.language_index(name)));
}

void remark_untrained(const Arguments& arguments, const Direction& direction) {
  const Checkpoint checkpoint = Checkpoint::open(resolve_checkpoint(arguments.model), Check::kHeaders);
  // Models made of others' weights hold no place in the data of their own, and know more than one run's directions.
  if (!checkpoint.meta().contains("data")) return;
  if (may_be_trained(options_of(checkpoint).data, arguments.task, direction)) return;
  remark(fmt::format("the model was not trained for {} {}", arguments.task, direction.name()), {arguments.model, 0},
         "what it writes may be of little use");
}

void translate(const Arguments& arguments, const DecodeOptions& options) {
  Translator translator = Translator::load(arguments.model, arguments.vocabulary, options, arguments.precision,
                                           arguments.device, arguments.verify ? Check::kValues : Check::kHeaders);
  const Direction direction{language_named(arguments.source, translator.vocabulary()),
                            language_named(arguments.target, translator.vocabulary())};
  parse_task(arguments.task, translator.vocabulary());
  remark_untrained(arguments, direction);
  LineReader reader(arguments.input);
  check_beginning(reader);
  const ProgressSink progress = arguments.show_progress ? console_progress() : ProgressSink{};
  RemarkTally cut_lines("lines of which the model read only the beginning");
  RemarkTally unknown_lines("lines with text that the vocabulary does not know");
  std::uint64_t done = 0;
  const auto tell_lost = [&](const LossySource& lost) {
    const Where where{reader.path(), done + lost.sentence + 1};
    if (lost.read < lost.tokens) {
      cut_lines.add(fmt::format("{} tokens, of which the model reads the first {}", lost.tokens, lost.read), where,
                    "give it one sentence a line");
    }
    if (lost.unknown > 0) {
      unknown_lines.add(fmt::format("{} tokens, of which the vocabulary does not know {}", lost.tokens, lost.unknown),
                        where, "write it with other characters, or use a model whose vocabulary has --byte-fallback");
    }
  };
  RemarkTally endless_lines("translations that were cut at the longest output");
  const auto tell_endless = [&](std::uint64_t line) {
    endless_lines.add("the translation does not end by itself and is cut at the longest output", {reader.path(), line},
                      "raise --max-length-factor or --max-length-offset");
  };
  for (;;) {
    const std::vector<std::string> lines = read_lines(reader, arguments.lines_at_a_time);
    if (lines.empty()) break;
    const auto results =
        translator.translate(lines, direction.source, direction.target, progress, arguments.task, tell_lost);
    print(results, done, arguments.with_scores || options.n_best > 1);
    for (std::size_t i = 0; i < results.size(); ++i) {
      if (results[i].front().cut_off) tell_endless(done + i + 1);
    }
    done += lines.size();
  }
  cut_lines.finish();
  unknown_lines.finish();
  endless_lines.finish();
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
  add_no_verify(*command, arguments->verify);
  command
      ->add_option("--lines-at-a-time", arguments->lines_at_a_time,
                   "lines read before they are sorted into batches and translated; 1 answers line by line")
      ->check(CLI::Range(std::int64_t{1}, std::int64_t{1} << 40))
      ->capture_default_str();
  command->add_flag("--scores", arguments->with_scores, "print `number ||| translation ||| score`");
  command->add_flag("--progress", arguments->show_progress, "show progress on standard error");
  command->footer(
      "Translations come on standard output, in the order of the input; --n-best prints several for each sentence.\n"
      "A line without visible text gives an empty one. Lines that are longer than the model reads, text that its\n"
      "vocabulary does not know, and directions that it was not trained for, are warned of on standard error; with\n"
      "--strict they are errors.\n\n"
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
