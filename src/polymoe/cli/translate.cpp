#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include <fmt/core.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "polymoe/base/error.h"
#include "polymoe/base/files.h"
#include "polymoe/base/log.h"
#include "polymoe/base/quote.h"
#include "polymoe/base/remarks.h"
#include "polymoe/cli/commands.h"
#include "polymoe/cli/console.h"
#include "polymoe/cli/options.h"
#include "polymoe/cli/output_file.h"
#include "polymoe/cli/translator_options.h"
#include "polymoe/config/effects.h"
#include "polymoe/decode/translator.h"
#include "polymoe/formats/document.h"
#include "polymoe/formats/fill.h"
#include "polymoe/text/phrase_list.h"
#include "polymoe/text/text_encoding.h"

namespace polymoe::cli {
namespace {

struct TranslateArguments {
  ModelTask asked;
  std::string input = "-";
  std::string output = "-";
  std::string format = "auto";
  std::string glossary;
  std::string forbidden;
  std::string prefixes;
  std::int64_t lines_at_a_time = 1000;
  bool with_scores = false;
  bool word_scores = false;
  bool replace_unknowns = false;
  std::string alignment;
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
    check_text(line, {reader.path(), reader.line_number()});
    lines.push_back(line);
  }
  return lines;
}

// As many prefixes as lines; none where there is no file of them.
std::vector<std::string> next_prefixes(LineReader* prefixes, std::size_t count, const LineReader& lines) {
  if (prefixes == nullptr) return {};
  std::vector<std::string> found = read_lines(*prefixes, static_cast<std::int64_t>(count));
  if (found.size() == count) return found;
  throw Error(fmt::format("ends after line {}, but {} goes on", prefixes->line_number(), lines.path()),
              {prefixes->path(), 0}, "give a prefix for each line of the input, an empty one for none");
}

// "-0.1204 -0.3310": of each word and of the end mark.
std::string word_scores_of(const Translation& translation) {
  std::string text;
  for (const double score : translation.word_scores) text += fmt::format("{}{:.4f}", text.empty() ? "" : " ", score);
  return text;
}

// "0-0 1-2", a source word and a target word; or, where all weights are asked for, those of each target word.
std::string alignment_of(const WordAlignment& words, const std::string& kind) {
  std::vector<std::string> parts;
  for (std::size_t target = 0; target < words.size(); ++target) {
    const std::vector<float>& weights = words[target];
    if (kind == "soft") {
      parts.push_back(fmt::format("{:.4f}", fmt::join(weights, ",")));
    } else if (kind == "hard") {
      const auto best = std::max_element(weights.begin(), weights.end());
      if (best != weights.end()) parts.push_back(fmt::format("{}-{}", best - weights.begin(), target));
    } else {
      const float least = std::stof(kind);
      for (std::size_t source = 0; source < weights.size(); ++source) {
        if (weights[source] >= least) parts.push_back(fmt::format("{}-{}", source, target));
      }
    }
  }
  return fmt::format("{}", fmt::join(parts, " "));
}

// hard, soft, or a number between 0 and 1.
std::string check_alignment(const std::string& kind) {
  if (kind == "hard" || kind == "soft") return "";
  double least = 0.0;
  const auto [end, problem] = std::from_chars(kind.data(), kind.data() + kind.size(), least);
  if (problem == std::errc{} && end == kind.data() + kind.size() && least > 0 && least <= 1) return "";
  return fmt::format("{} is neither hard nor soft nor a number above 0, up to 1", in_quotes(kind));
}

// One line for each sentence; with several translations each, `number ||| translation ||| score` as Marian and Moses
// have.
std::string lines_of(const std::vector<std::vector<Translation>>& results, std::uint64_t first_number, bool lists,
                     const TranslateArguments& arguments) {
  std::string lines;
  for (std::size_t i = 0; i < results.size(); ++i) {
    for (const Translation& translation : results[i]) {
      lines += lists ? fmt::format("{} ||| {} ||| {:.4f}", first_number + i, translation.text, translation.score)
                     : translation.text;
      if (arguments.word_scores) lines += " ||| " + word_scores_of(translation);
      if (!arguments.alignment.empty()) lines += " ||| " + alignment_of(translation.alignment, arguments.alignment);
      lines += '\n';
    }
  }
  return lines;
}

std::size_t most_forbidden(const std::vector<Translation>& list) {
  std::size_t most = 0;
  for (const Translation& translation : list) most = std::max(most, translation.forbidden_phrases);
  return most;
}

void translate_lines(const TranslateArguments& arguments, const DecodeOptions& options, Translator& translator,
                     const Direction& direction, const TextDemands& demands) {
  LineReader reader(arguments.input);
  check_beginning(reader);
  const auto prefix_reader = arguments.prefixes.empty() ? nullptr : std::make_unique<LineReader>(arguments.prefixes);
  const ProgressSink progress = arguments.show_progress ? console_progress() : ProgressSink{};
  Output output(arguments.output);
  RemarkTally cut_lines("lines of which the model read only the beginning");
  RemarkTally long_lines("lines longer than the examples that the model was trained on");
  RemarkTally unknown_lines("lines with text that the vocabulary does not know");
  RemarkTally idle_prefixes("prefixes of lines without visible text");
  const auto wanted = static_cast<std::size_t>(options.n_best);
  std::uint64_t done = 0, copied = 0;
  const auto tell_lost = [&](const LossySource& lost) {
    const Where where{reader.path(), done + lost.sentence + 1};
    if (lost.read < lost.tokens) {
      cut_lines.add(fmt::format("{} tokens, of which the model reads the first {}", lost.tokens, lost.read), where,
                    "give it one sentence a line");
    } else if (lost.trained > 0) {
      long_lines.add(fmt::format("{} tokens, but examples of training had at most {}", lost.tokens, lost.trained),
                     where, "leave --split-sentences out, or give it one sentence a line");
    }
    if (lost.unknown > 0) {
      unknown_lines.add(fmt::format("{} tokens, of which the vocabulary does not know {}", lost.tokens, lost.unknown),
                        where, "write it with other characters, or use a model whose vocabulary has --byte-fallback");
    }
  };
  RemarkTally endless_lines("lines with translations that were cut at the longest output");
  RemarkTally short_lists("lines with fewer translations than --n-best");
  RemarkTally unmet_lines("lines with translations that lack terms of the glossary");
  RemarkTally broken_lines("lines with placeholders that their translations do not hold");
  RemarkTally forbidden_lines("lines with translations that hold forbidden phrases");
  const auto tell_results = [&](const std::vector<Translation>& list, std::uint64_t line) {
    copied += list.front().copied;
    const auto cut = std::count_if(list.begin(), list.end(), [](const Translation& t) { return t.cut_off; });
    if (cut > 0) {
      endless_lines.add(
          list.size() == 1 ? "the translation does not end by itself and is cut at the longest output"
                           : fmt::format("{} of the translations do not end by themselves and are cut", cut),
          {reader.path(), line}, "raise --max-length-factor or --max-length-offset, or give it a shorter line");
    }
    if (list.front().unmet_terms > 0) {
      unmet_lines.add(fmt::format("the translation lacks {} terms of the glossary", list.front().unmet_terms),
                      {reader.path(), line}, "raise --max-length-offset or --beam-size");
    }
    if (!list.front().keeps_placeholders) {
      broken_lines.add("the translation does not hold the same placeholders as the line", {reader.path(), line},
                       "raise --max-length-offset or --beam-size");
    }
    if (const auto held = most_forbidden(list); held > 0) {
      forbidden_lines.add(fmt::format("a translation holds {} of the forbidden phrases", held), {reader.path(), line},
                          "the glossary, the prefix or a placeholder asks for it, or nothing else could be written");
    }
    if (list.size() < wanted) {
      short_lists.add(fmt::format("only {} translations, for no more can be made", list.size()), {reader.path(), line},
                      "raise --beam-size");
    }
  };
  for (;;) {
    const std::vector<std::string> lines = read_lines(reader, arguments.lines_at_a_time);
    if (lines.empty()) break;
    const std::vector<std::string> prefixes = next_prefixes(prefix_reader.get(), lines.size(), reader);
    TextDemands own = demands;
    own.prefixes = prefixes;
    for (std::size_t i = 0; i < prefixes.size(); ++i) {
      const Vocabulary& vocabulary = translator.vocabulary();
      if (!vocabulary.is_empty(lines[i]) || vocabulary.is_empty(prefixes[i])) continue;
      idle_prefixes.add("the prefix has no effect: the line has no visible text, and stays as it is",
                        {prefix_reader->path(), done + i + 1}, "leave it empty");
    }
    own.first_number = done;
    const auto results =
        translator.translate(lines, direction.source, direction.target, progress, arguments.asked.task, tell_lost, own);
    const bool lists = arguments.with_scores || arguments.word_scores || options.n_best > 1;
    output.write(lines_of(results, done, lists, arguments));
    for (std::size_t i = 0; i < results.size(); ++i) {
      if (!translator.vocabulary().is_empty(lines[i])) tell_results(results[i], done + i + 1);
    }
    done += lines.size();
  }
  if (std::string extra; prefix_reader && prefix_reader->next(extra)) {
    throw Error(fmt::format("goes on, but {} ends after line {}", reader.path(), done),
                {prefix_reader->path(), prefix_reader->line_number()}, "give a prefix for each line of the input");
  }
  cut_lines.finish();
  long_lines.finish();
  unknown_lines.finish();
  idle_prefixes.finish();
  endless_lines.finish();
  short_lists.finish();
  unmet_lines.finish();
  broken_lines.finish();
  forbidden_lines.finish();
  if (copied > 0) log_info("{}: {} unknown pieces copied from the source", reader.path(), copied);
  output.finish();
}

void translate_document(const TranslateArguments& arguments, DocumentFormat format, Translator& translator,
                        const Direction& direction, const TextDemands& demands) {
  const std::string name = arguments.input == "-" ? "standard input" : arguments.input;
  const auto document = read_document(format, read_whole(arguments.input), {name, direction.source, direction.target});
  const ProgressSink progress = arguments.show_progress ? console_progress() : ProgressSink{};
  Output output(arguments.output);  // before the work, which a folder that takes no file would waste
  std::size_t forbidden = 0, long_texts = 0;
  const auto translate = [&](const std::vector<std::string>& lines) {
    std::vector<LineTranslation> translations(lines.size());
    const auto tell_lost = [&](const LossySource& lost) {
      if (lost.trained > 0) ++long_texts;
      translations[lost.sentence].whole = lost.read == lost.tokens;
      translations[lost.sentence].unknown = lost.unknown;
    };
    const auto results = translator.translate(lines, direction.source, direction.target, progress, arguments.asked.task,
                                              tell_lost, demands);
    for (std::size_t i = 0; i < lines.size(); ++i) {
      forbidden += most_forbidden(results[i]) > 0 ? 1 : 0;
      translations[i].text = results[i].front().text;
      translations[i].whole = translations[i].whole && !results[i].front().cut_off;
      translations[i].keeps_placeholders = results[i].front().keeps_placeholders;
      translations[i].keeps_terms = results[i].front().unmet_terms == 0;
    }
    return translations;
  };
  RemarkTally left("segments that were left untranslated");
  const FillReport report = fill_document(*document, translate, [&](const std::string& message, std::uint64_t line) {
    left.add(message, {name, line});
  });
  left.finish();
  if (long_texts > 0) {
    remark(fmt::format("{} of the texts are longer than the examples that the model was trained on", long_texts),
           {name, 0}, "leave --split-sentences out");
  }
  if (report.unknown > 0) {
    remark(fmt::format("{} of the texts hold characters that the vocabulary does not know", report.unknown), {name, 0},
           "use a model whose vocabulary has --byte-fallback");
  }
  if (report.broken > 0) {
    remark(fmt::format("{} of the texts lost or gained a placeholder, a tag or an address", report.broken), {name, 0},
           "look at them, or raise --beam-size");
  }
  if (report.unmet > 0) {
    remark(fmt::format("{} of the texts lack terms of the glossary", report.unmet), {name, 0},
           "raise --max-length-offset or --beam-size");
  }
  if (forbidden > 0) {
    remark(fmt::format("{} of the texts hold forbidden phrases", forbidden), {name, 0},
           "the glossary or a placeholder asks for them, or nothing else could be written");
  }
  output.write(document->text());
  output.finish();
  log_info("{}: {}", name, report.summary());
  for (const auto& [what, count] : document->passed_over()) log_info("{}: {} {}", name, count, what);
}

void translate(const TranslateArguments& arguments, const DecodeOptions& options) {
  const DocumentFormat format = parse_document_format(arguments.format, arguments.input);
  const bool lists = arguments.with_scores || arguments.word_scores || options.n_best > 1;
  if (format != DocumentFormat::kText && lists) {
    fail("--scores, --word-scores and --n-best print lists, which {} has no place for; give --format text",
         name_of(format));
  }
  if (format != DocumentFormat::kText && !arguments.alignment.empty()) {
    fail("--alignment prints a list behind each line, which {} has no place for; give --format text", name_of(format));
  }
  if (format != DocumentFormat::kText && !arguments.prefixes.empty()) {
    fail("--prefix goes by lines, which {} has none of; give --format text", name_of(format));
  }
  if (options.temperature > 0 && !arguments.glossary.empty()) {
    fail("--glossary needs beam search, but --temperature asks for samples; leave one of them out");
  }
  const Glossary glossary = arguments.glossary.empty() ? Glossary{} : Glossary::load(arguments.glossary);
  const std::vector<std::string> phrases =
      arguments.forbidden.empty() ? std::vector<std::string>{} : load_phrases(arguments.forbidden);
  TextDemands demands{.glossary = glossary.empty() ? nullptr : &glossary,
                      .of_document = format != DocumentFormat::kText,
                      .word_scores = arguments.word_scores,
                      .alignments = !arguments.alignment.empty(),
                      .replace_unknowns = arguments.replace_unknowns};
  Translator translator = load_translator(arguments.asked, options);
  const Direction direction = check_direction(translator, arguments.asked);
  const auto forbidden = phrases.empty() ? nullptr : translator.forbid(phrases, direction.target);
  demands.forbidden = forbidden.get();
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
  auto arguments = std::make_shared<TranslateArguments>();
  add_model_task(*command, arguments->asked);
  command
      ->add_option("--glossary", arguments->glossary,
                   "terms and how to translate them: lines of SOURCE TAB TARGET, see docs/decoding.md")
      ->type_name("FILE");
  command
      ->add_option("--forbid", arguments->forbidden,
                   "phrases that no translation may hold, one a line, see docs/decoding.md")
      ->type_name("FILE");
  command
      ->add_option("--prefix", arguments->prefixes,
                   "what translations begin with: a line for each line of the input, an empty one for none")
      ->type_name("FILE");
  command->add_option("--input", arguments->input, "file to translate, of text gzip too; - is standard input")
      ->capture_default_str()
      ->type_name("FILE");
  command
      ->add_option("--output,-o", arguments->output,
                   "file to write, whole or not at all, with gzip where its name ends with .gz; - is standard output")
      ->capture_default_str()
      ->type_name("FILE");
  std::vector<std::string> formats = document_format_names();
  formats.insert(formats.begin(), "auto");
  command->add_option("--format", arguments->format, "what the input is; auto: by its name's extension, else text")
      ->check(CLI::IsMember(formats))
      ->capture_default_str();
  add_placement(*command, arguments->asked.placement);
  command
      ->add_option("--lines-at-a-time", arguments->lines_at_a_time,
                   "lines read before they are sorted into batches and translated; 1 answers line by line")
      ->check(CLI::Range(std::int64_t{1}, std::int64_t{1} << 40))
      ->capture_default_str();
  command->add_flag("--scores", arguments->with_scores, "print `number ||| translation ||| score`");
  command->add_flag("--word-scores", arguments->word_scores,
                    "print ` ||| ` and the log probability of each word and of the end mark, too");
  command
      ->add_option("--alignment", arguments->alignment,
                   "print ` ||| ` and which words of source and target belong together, `0-0 1-2`: hard has one source "
                   "word for each target word, a number all that have this weight or more, soft the weights")
      ->check(CLI::Validator(check_alignment, "hard|soft|NUMBER"));
  command->add_flag("--replace-unknowns", arguments->replace_unknowns,
                    "let the model write unknown pieces and copy them from the source, for vocabularies without "
                    "--byte-fallback");
  command->add_flag("--progress", arguments->show_progress, "show progress on standard error");
  command->footer(
      "Of text, translations come one a line, in the order of the input; --n-best prints several for each sentence.\n"
      "A line without visible text stays as it is. Lines longer than those of training are split. Text that "
      "its\n"
      "vocabulary does not know, and directions that it was not trained for, are warned of on standard error; with\n"
      "--strict they are errors.\n\n"
      "With --glossary the translation of a line that holds a term holds the term's translation, wherever the model\n"
      "finds it fits; a term in small letters is found in any case, at the borders of words. With --forbid no "
      "translation\n"
      "holds any of the phrases as whole words; one in small letters is meant in any case.\n\n"
      "Of the other formats, whole files come out, with translations where they lack them; docs/files.md has the\n"
      "details. Catalogues (.po) get fuzzy entries, TMX and XLIFF units for review. What the model breaks, a lost %s\n"
      "say, stays untranslated, with a warning.\n\n"
      "Examples:\n"
      "  echo 'Open the file.' | polymoe translate --model run -s en -t de\n"
      "  polymoe translate --model run --task summary -s en -t en < articles.txt\n"
      "  polymoe translate --model run -s en -t de --glossary terms.tsv < sentences.txt\n"
      "  polymoe translate --model run -s en -t de --input de.po --output de.po\n"
      "  polymoe translate --model run -s en -t de --input index.html > index.de.html");
  run_with_options(*command, {"decode"}, [arguments](const RunOptions& options, const GivenKeys& given) {
    remark_without_effect(without_effect_on_translations(options, given));
    translate(*arguments, options.decode);
  });
}

}  // namespace polymoe::cli
