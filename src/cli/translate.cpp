#include <algorithm>
#include <array>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include <fmt/core.h>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/files.h"
#include "base/log.h"
#include "base/remarks.h"
#include "checkpoint/model_checkpoint.h"
#include "cli/commands.h"
#include "cli/console.h"
#include "cli/options.h"
#include "data/trained.h"
#include "decode/translator.h"
#include "formats/document.h"
#include "formats/fill.h"
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
  std::string output = "-";
  std::string format = "auto";
  std::string glossary;
  std::string precision = "float32";
  std::string device = "cpu";
  bool verify = true;
  std::int64_t lines_at_a_time = 1000;
  bool with_scores = false;
  bool show_progress = false;
};

std::string read_whole(const std::string& path) {
  if (path != "-") return read_file(path);
  std::string text;
  std::array<char, std::size_t{1} << 16> chunk{};
  while (const std::size_t got = std::fread(chunk.data(), 1, chunk.size(), stdin)) text.append(chunk.data(), got);
  if (std::ferror(stdin) != 0) fail_errno("cannot read", "-");
  return text;
}

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

// Standard output, or a file that appears when it is whole.
class Output {
 public:
  explicit Output(const std::string& path) {
    if (path != "-") file_ = std::make_unique<AtomicFile>(path);
  }

  void write(const std::string& text) {
    if (file_) return file_->write(text);
    std::fwrite(text.data(), 1, text.size(), stdout);
    std::fflush(stdout);
  }

  void finish() {
    if (file_) file_->commit();
  }

 private:
  std::unique_ptr<AtomicFile> file_;
};

// One line for each sentence; with several translations each, `number ||| translation ||| score` as Marian and Moses
// have.
std::string lines_of(const std::vector<std::vector<Translation>>& results, std::uint64_t first_number, bool lists) {
  std::string lines;
  for (std::size_t i = 0; i < results.size(); ++i) {
    for (const Translation& translation : results[i]) {
      lines += lists ? fmt::format("{} ||| {} ||| {:.4f}\n", first_number + i, translation.text, translation.score)
                     : translation.text + "\n";
    }
  }
  return lines;
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

void translate_lines(const Arguments& arguments, const DecodeOptions& options, Translator& translator,
                     const Direction& direction, const TextDemands& demands) {
  LineReader reader(arguments.input);
  check_beginning(reader);
  const ProgressSink progress = arguments.show_progress ? console_progress() : ProgressSink{};
  Output output(arguments.output);
  RemarkTally cut_lines("lines of which the model read only the beginning");
  RemarkTally unknown_lines("lines with text that the vocabulary does not know");
  const auto wanted = static_cast<std::size_t>(options.n_best);
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
  RemarkTally endless_lines("lines with translations that were cut at the longest output");
  RemarkTally short_lists("lines with fewer translations than --n-best");
  RemarkTally unmet_lines("lines with translations that lack terms of the glossary");
  const auto tell_results = [&](const std::vector<Translation>& list, std::uint64_t line) {
    const auto cut = std::count_if(list.begin(), list.end(), [](const Translation& t) { return t.cut_off; });
    if (cut > 0) {
      endless_lines.add(list.size() == 1
                            ? "the translation does not end by itself and is cut at the longest output"
                            : fmt::format("{} of the translations do not end by themselves and are cut", cut),
                        {reader.path(), line}, "raise --max-length-factor or --max-length-offset");
    }
    if (list.front().unmet_terms > 0) {
      unmet_lines.add(fmt::format("the translation lacks {} terms of the glossary", list.front().unmet_terms),
                      {reader.path(), line}, "raise --max-length-offset or --beam-size");
    }
    if (list.size() < wanted) {
      short_lists.add(fmt::format("only {} translations, for no more can be made", list.size()), {reader.path(), line},
                      "raise --beam-size");
    }
  };
  for (;;) {
    const std::vector<std::string> lines = read_lines(reader, arguments.lines_at_a_time);
    if (lines.empty()) break;
    const auto results =
        translator.translate(lines, direction.source, direction.target, progress, arguments.task, tell_lost, demands);
    output.write(lines_of(results, done, arguments.with_scores || options.n_best > 1));
    for (std::size_t i = 0; i < results.size(); ++i) {
      if (!translator.vocabulary().is_empty(lines[i])) tell_results(results[i], done + i + 1);
    }
    done += lines.size();
  }
  cut_lines.finish();
  unknown_lines.finish();
  endless_lines.finish();
  short_lists.finish();
  unmet_lines.finish();
  output.finish();
}

void translate_document(const Arguments& arguments, DocumentFormat format, Translator& translator,
                        const Direction& direction, const TextDemands& demands) {
  const auto document =
      read_document(format, read_whole(arguments.input), {arguments.input, direction.source, direction.target});
  const ProgressSink progress = arguments.show_progress ? console_progress() : ProgressSink{};
  Output output(arguments.output);  // before the work, which a folder that takes no file would waste
  const auto translate = [&](const std::vector<std::string>& lines) {
    std::vector<LineTranslation> translations(lines.size());
    const auto tell_lost = [&](const LossySource& lost) {
      translations[lost.sentence].whole = lost.read == lost.tokens;
      translations[lost.sentence].unknown = lost.unknown;
    };
    const auto results =
        translator.translate(lines, direction.source, direction.target, progress, arguments.task, tell_lost, demands);
    for (std::size_t i = 0; i < lines.size(); ++i) {
      translations[i].text = results[i].front().text;
      translations[i].whole = translations[i].whole && !results[i].front().cut_off;
    }
    return translations;
  };
  RemarkTally left("segments that were left untranslated");
  const FillReport report = fill_document(*document, translate, [&](const std::string& message, std::uint64_t line) {
    left.add(message, {arguments.input, line});
  });
  left.finish();
  if (report.unknown > 0) {
    remark(fmt::format("{} of the texts hold characters that the vocabulary does not know", report.unknown),
           {arguments.input, 0}, "use a model whose vocabulary has --byte-fallback");
  }
  output.write(document->text());
  output.finish();
  log_info("{}: {}", arguments.input, report.summary());
  for (const auto& [what, count] : document->passed_over()) log_info("{}: {} {}", arguments.input, count, what);
}

void translate(const Arguments& arguments, const DecodeOptions& options) {
  const DocumentFormat format = parse_document_format(arguments.format, arguments.input);
  if (format != DocumentFormat::kText && (arguments.with_scores || options.n_best > 1)) {
    fail("--scores and --n-best print lists, which {} has no place for; give --format text", name_of(format));
  }
  const Glossary glossary = arguments.glossary.empty() ? Glossary{} : Glossary::load(arguments.glossary);
  const TextDemands demands{.glossary = glossary.empty() ? nullptr : &glossary};
  Translator translator = Translator::load(arguments.model, arguments.vocabulary, options, arguments.precision,
                                           arguments.device, arguments.verify ? Check::kValues : Check::kHeaders);
  const Direction direction{language_named(arguments.source, translator.vocabulary()),
                            language_named(arguments.target, translator.vocabulary())};
  parse_task(arguments.task, translator.vocabulary());
  remark_untrained(arguments, direction);
  if (format == DocumentFormat::kText) {
    translate_lines(arguments, options, translator, direction, demands);
  } else {
    translate_document(arguments, format, translator, direction, demands);
  }
}

}  // namespace

void add_translate(CLI::App& app) {
  CLI::App* command = app.add_subcommand(
      "translate", "Translate sentences, one a line, or the files of translators; or do another task with them");
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
  command
      ->add_option("--glossary", arguments->glossary,
                   "terms and how to translate them: lines of SOURCE TAB TARGET, see docs/decoding.md")
      ->type_name("FILE");
  command->add_option("--input", arguments->input, "file to translate, of text gzip too; - is standard input")
      ->capture_default_str()
      ->type_name("FILE");
  command->add_option("--output,-o", arguments->output, "file to write, whole or not at all; - is standard output")
      ->capture_default_str()
      ->type_name("FILE");
  std::vector<std::string> formats = document_format_names();
  formats.insert(formats.begin(), "auto");
  command->add_option("--format", arguments->format, "what the input is; auto: by its name's extension, else text")
      ->check(CLI::IsMember(formats))
      ->capture_default_str();
  add_model_placement(*command, arguments->precision, arguments->device, /*decodes=*/true);
  add_no_verify(*command, arguments->verify);
  command
      ->add_option("--lines-at-a-time", arguments->lines_at_a_time,
                   "lines read before they are sorted into batches and translated; 1 answers line by line")
      ->check(CLI::Range(std::int64_t{1}, std::int64_t{1} << 40))
      ->capture_default_str();
  command->add_flag("--scores", arguments->with_scores, "print `number ||| translation ||| score`");
  command->add_flag("--progress", arguments->show_progress, "show progress on standard error");
  command->footer(
      "Of text, translations come one a line, in the order of the input; --n-best prints several for each sentence.\n"
      "A line without visible text stays as it is. Lines that are longer than the model reads, text that its\n"
      "vocabulary does not know, and directions that it was not trained for, are warned of on standard error; with\n"
      "--strict they are errors.\n\n"
      "With --glossary the translation of a line that holds a term holds the term's translation, wherever the model\n"
      "finds it fits; a term in small letters is found in any case, at the borders of words.\n\n"
      "Of the other formats, whole files come out, with translations where they lack them; docs/files.md has the\n"
      "details. Catalogues (.po) get fuzzy entries, TMX and XLIFF units for review. What the model breaks, a lost %s\n"
      "say, stays untranslated, with a warning.\n\n"
      "Examples:\n"
      "  echo 'Open the file.' | polymoe translate --model run -s en -t de\n"
      "  polymoe translate --model run --task summary -s en -t en < articles.txt\n"
      "  polymoe translate --model run -s en -t de --glossary terms.tsv < sentences.txt\n"
      "  polymoe translate --model run -s en -t de --input de.po --output de.po\n"
      "  polymoe translate --model run -s en -t de --input index.html > index.de.html");
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
